"""Plans for clusters and what is written for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from launchpad.config import Config
from launchpad.decide import make_plan_for
from launchpad.deploy.commands import commands
from launchpad.deploy.from_plan import deployment
from launchpad.deploy.kuberay import kuberay
from launchpad.deploy.lws import lws
from launchpad.deploy.model import Deployment, Manifests
from launchpad.deploy.skypilot import skypilot
from launchpad.hardware.machine_file import parse_machine
from launchpad.plan import Plan
from launchpad.plugins.host import Host
from launchpad.wish import Wish

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GOLDEN = Path(__file__).parent / "golden" / "manifests"
KINDS: dict[str, Callable[[Deployment], Manifests]] = {
    "kuberay": kuberay,
    "lws": lws,
    "skypilot": skypilot,
    "commands": commands,
}
SCENES = {
    "glm-5.2": [
        {"address": "10.0.0.1", "gpus": "8x H100 80GB", "memory": "2TB"},
        {"address": "10.0.0.2", "gpus": "8x H100 80GB", "memory": "2TB"},
    ],
    "qwen3-8b": [{"address": "10.0.0.3", "gpus": "RTX 4090", "memory": "64GB"}],
}
"""Models and the hosts that they are planned for."""


@cache
def planned(model: str) -> Plan:
    """The plan for the model of this scene."""
    machine = parse_machine({"hosts": SCENES[model]}, Path("hosts.toml"))
    wish = Wish(model=model, backend="vllm", offline=True)
    return make_plan_for(Host(Config(), third_party=False), Config(), wish, on=machine)


def deployed(model: str) -> Deployment:
    """What is deployed in this scene."""
    return deployment(planned(model), COMMIT)


def golden(kind: str, model: str) -> Manifests:
    """What is on record of this scene."""
    return KINDS[kind](deployed(model))
