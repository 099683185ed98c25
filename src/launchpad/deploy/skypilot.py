"""A task of SkyPilot: rented or own machines, with vLLM's own multi-node mode on them. PURE."""

from __future__ import annotations

import shlex
from typing import Any

from launchpad.deploy.commands import KEY_NEEDED
from launchpad.deploy.model import GIB, PORT, Deployment, ManifestFile, Manifests
from launchpad.deploy.text import PRIVATE, document
from launchpad.deploy.words import joined, words
from launchpad.errors import UsageError

# SkyPilot's names, where they are not the card's own without blanks.
_NAMES = {
    "A100 80GB": "A100-80GB",
    "A100 40GB": "A100",
    "H100": "H100",
    "GH200": "GH200",
    "Tesla P100": "P100",
    "RTX 6000 Ada": "RTX6000-Ada",
    "RTX 4000 Ada": "RTX4000-Ada",
}
_V100 = {"16GB": "V100", "32GB": "V100-32GB"}
_SKY_SERVE = "0.0.0.0"  # noqa: S104 -- SkyServe's own load balancer asks from outside; the key guards it


def skypilot(what: Deployment, port: int = PORT) -> Manifests:
    """The task; with several replicas a service of SkyServe."""
    if what.vendor != "nvidia":
        raise UsageError(
            "SkyPilot's vLLM is installed for NVIDIA GPUs here.", hint="launchpad cluster emit lws"
        )
    said = (
        *((PRIVATE,) if what.nodes > 1 else ()),
        f"SkyPilot knows the card as {accelerator(what.card)}: `sky gpus list` shows its names.",
        f"vLLM {what.version} is installed from the package index by uv; each node fetches the weights.",
        "The key is asked for when the task is launched; it is in no file.",
        "The answers are reached through ssh: no port is opened to the network."
        if what.replicas == 1
        else "SkyServe opens the port of its load balancer to the network: the key is all that guards it, over plain HTTP.",
    )
    name = f"{what.name}.sky.yaml"
    return Manifests(
        kind_of_manifest="skypilot",
        deployment=what,
        files=(ManifestFile(name=name, text=document(what, [_task(what, port)], said)),),
        steps=_steps(what, name, port),
        assumptions=said,
    )


def _steps(what: Deployment, name: str, port: int) -> tuple[str, ...]:
    secrets = "--secret HF_TOKEN --secret VLLM_API_KEY"
    key = 'export VLLM_API_KEY="$(openssl rand -hex 32)" HF_TOKEN="${HF_TOKEN:-}"'
    if what.replicas > 1:
        return key, f"sky serve up -n {what.name} {name} {secrets}", f"sky serve status {what.name}"
    return (
        key,
        f"sky launch -c {what.name} {name} {secrets}",
        f"ssh -N -L {port}:127.0.0.1:{port} {what.name}",
        f"sky down {what.name}",
    )


def _task(what: Deployment, port: int) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "accelerators": f"{accelerator(what.card)}:{what.gpus}",
        "disk_size": max(256, round(what.size * 1.2 / GIB) + 100),
    }
    task: dict[str, Any] = {"name": what.name, "num_nodes": what.nodes}
    if what.replicas > 1:
        resources["ports"] = port
        task["service"] = {
            "replicas": what.replicas,
            "readiness_probe": {"path": "/health", "initial_delay_seconds": 7200},
        }
    host = _SKY_SERVE if what.replicas > 1 else "127.0.0.1"
    return {
        **task,
        "resources": resources,
        "envs": {"HF_HUB_DISABLE_TELEMETRY": "1", "VLLM_NO_USAGE_STATS": "1"},
        "secrets": {"HF_TOKEN": None, "VLLM_API_KEY": None},
        "setup": f"uv venv --python 3.12 --seed\n. .venv/bin/activate\nuv pip install vllm=={what.version} --torch-backend=auto\n",
        "run": _run(what, host, port),
    }


def _run(what: Deployment, host: str, port: int) -> str:
    """One script for all nodes, which tells the head from the others by the rank."""
    lines = [". .venv/bin/activate", KEY_NEEDED, 'export HF_TOKEN="${HF_TOKEN:-}"']
    serve = ["vllm", "serve", *words(what, host, port)]
    if what.nodes == 1:
        return "\n".join([*lines, f"exec {shlex.join(serve)}", ""])
    together = joined(what.nodes, "RANK", "HEAD")
    together.remove("--headless")
    placed = shlex.join([*serve, *together])
    placed = placed.replace(" RANK ", ' "$SKYPILOT_NODE_RANK" ').replace(" HEAD ", ' "$HEAD" ')
    return "\n".join(
        [
            *lines,
            'HEAD="$(echo "$SKYPILOT_NODE_IPS" | head -n 1)"',
            'VLLM_HOST_IP="$(echo "$SKYPILOT_NODE_IPS" | sed -n "$((SKYPILOT_NODE_RANK + 1))p")"',
            "export VLLM_HOST_IP",
            'if [ "$SKYPILOT_NODE_RANK" = 0 ]; then ROLE=""; else ROLE="--headless"; fi',
            f"exec {placed} $ROLE",
            "",
        ]
    )


def accelerator(card: str) -> str:
    """SkyPilot's name of a card, as far as it can be known here."""
    for name, theirs in _NAMES.items():
        if card.startswith(name):
            return theirs
    if "V100" in card:
        return _V100.get(card.rpartition(" ")[2], "V100")
    return card.removeprefix("Tesla ").replace(" ", "")
