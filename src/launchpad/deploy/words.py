"""vLLM's command line for one node of a deployment. PURE. Names as of vLLM 0.33."""

from __future__ import annotations

from launchpad.deploy.model import MASTER_PORT, Deployment
from launchpad.plan import EngineArguments

DRAIN_SECONDS = (
    30  # that answers under way get; without the flag vLLM can hang for ever when it is told to stop
)


def words(what: Deployment, host: str, port: int) -> list[str]:
    """The words after `vllm serve`, that every node of a replica shares. `host` is where the head listens."""
    return [
        what.repository,
        *("--revision", what.revision, "--tokenizer-revision", what.revision),
        *("--served-model-name", what.served),
        *("--host", host, "--port", str(port)),
        *("--shutdown-timeout", str(DRAIN_SECONDS)),
        *flags(what.arguments),
    ]


def joined(nodes: int, rank: str, head: str, port: int = MASTER_PORT) -> list[str]:
    """What joins the nodes of a replica; nothing where there is one. The head alone answers requests."""
    if nodes == 1:
        return []
    return [
        *("--distributed-executor-backend", "mp"),
        *("--nnodes", str(nodes), "--node-rank", rank),
        *("--master-addr", head, "--master-port", str(port)),
        *([] if rank == "0" else ["--headless"]),
    ]


def flags(arguments: EngineArguments) -> list[str]:
    """The plan's arguments as words. A switch stands alone; one that is off is left out."""
    found: list[str] = []
    for name, value in arguments.items():
        if isinstance(value, bool):
            found += [f"--{name}"] if value else []
        else:
            found += [f"--{name}", str(value)]
    return found
