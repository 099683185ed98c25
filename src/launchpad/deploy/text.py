"""Documents as YAML, with what they take for granted above them. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from launchpad.deploy.model import GIB, Deployment


def document(what: Deployment, parts: Iterable[dict[str, Any]], assumptions: Iterable[str]) -> str:
    """All parts in one stream, in the order in which they are to be read."""
    return head(what, assumptions) + "".join(f"---\n{plain(part)}" for part in parts)


def plain(part: dict[str, Any]) -> str:
    """One part as YAML."""
    import yaml

    return yaml.dump(part, Dumper=_dumper(), sort_keys=False, width=110, allow_unicode=True)


def head(what: Deployment, assumptions: Iterable[str]) -> str:
    """What is deployed, and what is taken for granted, as comments."""
    lines = [
        f"{what.title}: {what.repository} at {what.revision}",
        f"{what.replicas} x {what.nodes} node{'s'[: what.nodes > 1]} with {what.gpus} x {what.card}, context {what.context:,}",
        *assumptions,
    ]
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)


def _dumper() -> Any:
    """Texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def gib(size: int) -> str:
    """A size for Kubernetes, rounded up."""
    return f"{-(-size // GIB)}Gi"


def fetched(what: Deployment) -> str:
    """Where the weights come from."""
    size = f"{what.size / 1e9:,.0f} GB"
    if what.claim:
        return f"The weights ({size}) are fetched once into the volume claim {what.claim}, which every node must reach (ReadWriteMany)."
    each = "Each pod" if what.nodes * what.replicas > 1 else "The pod"
    return f"{each} fetches the weights ({size}) when it starts; --claim names a volume that keeps them."


PRIVATE = (
    "The nodes talk to each other without encryption, and whoever reaches them runs code there:"
    " a private network only."
)
PLAIN_NETWORK = "The GPUs of different nodes talk over the pods' own network; InfiniBand and RoCE need the cluster's device plugin for them."
