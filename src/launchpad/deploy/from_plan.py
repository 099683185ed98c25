"""From a plan to what is deployed: which GPUs of which node, which revision. PURE; refuses what cannot be handed over."""

from __future__ import annotations

import re
from typing import Literal

from launchpad.catalog.reference import parse
from launchpad.deploy.model import VLLM, Deployment, Share
from launchpad.errors import NoModelFits, UsageError
from launchpad.hardware.machine import Accelerator, Machine, Node
from launchpad.plan import Plan

_COMMIT = re.compile(r"[0-9a-f]{40}")
_VERSION = re.compile(r"\d{1,3}(?:\.\d{1,4}){1,3}(?:\.?(?:rc|post)\d{1,3})?")


def deployment(
    plan: Plan,
    revision: str | None = None,
    *,
    version: str | None = None,
    replicas: int = 1,
    claim: str | None = None,
) -> Deployment:
    """What the plan deploys. `revision` is the commit where the build's own reference does not name it.

    Raises `UsageError` or `NoModelFits`.
    """
    pick, start = plan.choice.pick, plan.start
    assert pick is not None  # a plan has one
    if start.backend != "vllm":
        raise NoModelFits(
            f"{start.model_name} would run with {start.backend} here, which spans no nodes.",
            hint="Add --backend vllm.",
        )
    if start.fit.placement.kind != "gpu":
        raise NoModelFits("There is no GPU in this plan.", hint='Name a machine: --on "2x H100 80GB"')
    reference = parse(pick.build.ref)
    if reference.scheme != "hf":
        raise UsageError(
            f"{pick.build.ref} cannot be fetched by other machines.",
            why="Manifests name a repository at Hugging Face; this is a place of its own.",
            hint="Name the model by its repository: hf://org/repo",
        )
    copies = start.fit.placement.data_parallel  # replicas, which each kind has its own way for
    devices = start.fit.placement.devices
    head, *_ = used = shares(plan.machine, devices[: len(devices) // copies])
    gpus = _accelerators(plan.machine, head)
    if any(len(share.devices) != len(head.devices) for share in used):
        raise UsageError("The nodes of this plan give different numbers of GPUs.", hint="Name equal nodes.")
    return Deployment(
        name=_label(start.model_id),
        title=f"{start.model_name} {pick.build.quantization}",
        served=start.model_id,
        repository=reference.location,
        revision=_commit(revision or reference.revision, reference.location),
        version=_checked_version(version or VLLM),
        vendor=_vendor(gpus[0]),
        card=gpus[0].name,
        shares=used,
        node_gpus=len(gpus),
        node_memory=plan.machine.memory.total,
        size=pick.build.size or sum(device.term("weights") for device in start.fit.devices),
        context=start.settings.context,
        arguments={name: value for name, value in start.arguments.items() if name != "data-parallel-size"},
        replicas=replicas * copies,
        claim=claim,
        notes=start.fit.notes,
    )


def revision_of(plan: Plan) -> str | None:
    """The commit that the pick's own reference names, if it does."""
    pick = plan.choice.pick
    found = parse(pick.build.ref).revision if pick else None
    return found if found and _COMMIT.fullmatch(found) else None


def shares(machine: Machine, devices: tuple[str, ...]) -> tuple[Share, ...]:
    """Which GPUs of which node the devices of a fit are ("nvidia:0" the head's, "node-2/nvidia:7" another's)."""
    nodes = machine.cluster.nodes if machine.cluster else (_only(machine),)
    taken: dict[str, list[int]] = {}
    for device in devices:
        node, _, own = device.rpartition("/")
        taken.setdefault(node or nodes[0].name, []).append(int(own.rpartition(":")[2]))
    addresses = {node.name: node.address for node in nodes}
    return tuple(
        Share(node=node, address=addresses[node], devices=tuple(sorted(indices)))
        for node, indices in taken.items()
    )


def _only(machine: Machine) -> Node:
    return Node(name="node-1", memory=machine.memory, accelerators=machine.accelerators)


def _accelerators(machine: Machine, head: Share) -> list[Accelerator]:
    """The head's GPUs of the kind that is used, used or not."""
    by_index = {card.index: card for card in machine.accelerators if {"cuda", "rocm"} & set(card.apis)}
    kind = by_index[head.devices[0]].name
    return [card for card in by_index.values() if card.name == kind]


def _vendor(card: Accelerator) -> Literal["nvidia", "amd"]:
    return "amd" if card.vendor == "amd" else "nvidia"


def _commit(revision: str | None, repository: str) -> str:
    if revision and _COMMIT.fullmatch(revision):
        return revision
    raise UsageError(
        f"The revision of {repository} is not pinned.",
        why=f"'{revision}' can move." if revision else "Another revision tomorrow would be another model.",
        hint=f"Name the commit, 40 hexadecimal digits: hf://{repository}@COMMIT, or launchpad cluster emit … --revision COMMIT",
    )


def _checked_version(version: str) -> str:
    if _VERSION.fullmatch(version):
        return version
    raise UsageError(f"{version!r} is no version of vLLM.", hint=f"Such as --vllm {VLLM}")


def _label(text: str) -> str:
    """A name as DNS and Kubernetes allow it, short enough for the names that are built from it."""
    return "llm-" + (re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:36].strip("-") or "model")
