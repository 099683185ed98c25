"""Which GPUs vLLM could give a model to: one, several of a machine, or as many on each of several nodes. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from launchpad.fit.layout import Layout
from launchpad.fit.pool import Usable, pool
from launchpad.hardware.machine import Machine, Node

SPLITS = (1, 2, 4, 8)
# Cards that have no NVLink (nor AMD's XGMI) in any form; of others it is not known whether it is there.
_LINK = re.compile(r"SXM|\bB[23]00\b|\bH200\b|\bH20\b|GB?H?200|Instinct MI[23]", re.IGNORECASE)
_NO_LINK = re.compile(
    r"RTX (?:40|50)\d\d|RTX \d{4} Ada|RTX PRO|\b(?:L4|L40S?|A2|A10G?|A16|T4)\b|Radeon", re.IGNORECASE
)


class Group(Struct, frozen=True, kw_only=True):
    """GPUs of one kind in equal stages: the layers are shared out over the stages, each layer within its stage.

    `interconnect` is what the network between the stages carries, in bytes/s (None: not known, or there is one stage).
    `why` says why several GPUs share each layer, or are stages instead, `idle` what could be done with GPUs that are left.
    """

    stages: tuple[tuple[Usable, ...], ...]
    interconnect: float | None = None
    why: str | None = None
    idle: str | None = None

    @property
    def gpus(self) -> tuple[Usable, ...]:
        """All of them, stage by stage."""
        return tuple(gpu for stage in self.stages for gpu in stage)

    @property
    def tensor_parallel(self) -> int:
        """GPUs that share each layer."""
        return len(self.stages[0])

    @property
    def pipeline_parallel(self) -> int:
        """Stages that the layers pass through, one after the other."""
        return len(self.stages)


def groups(machine: Machine, layout: Layout, apis: Sequence[str], *, allow_swap: bool = False) -> list[Group]:
    """From the fewest GPUs up: within the machine, then over two, three, … nodes of the cluster that it heads."""
    own = pool(machine, apis, allow_swap=allow_swap).gpus
    found = list(_within(own, layout))
    if machine.cluster:
        found += _across(machine.cluster.nodes, layout, apis, machine.cluster.interconnect)
    return found


def _within(gpus: Sequence[Usable], layout: Layout) -> Iterator[Group]:
    """One, two, four or eight of one kind: each layer shared out, or as stages where that cannot be or does not pay."""
    for same in _alike(gpus):
        against = _against_sharing(same, layout)
        idle = _idle(gpus, same)
        if against is None:
            yield Group(stages=(same,), why=_for_sharing(same, layout), idle=idle)
        elif len(same) <= layout.layers:
            yield Group(stages=tuple((gpu,) for gpu in same), why=against, idle=idle)


def _idle(gpus: Sequence[Usable], taken: Sequence[Usable]) -> str | None:
    """How often these GPUs are there, where that is more than once."""
    name = taken[0].accelerator.name
    times = sum(gpu.accelerator.name == name for gpu in gpus) // len(taken)
    if times < 2:
        return None
    return f"this takes {len(taken)} of the {name} here; `launchpad serve --replicas {times}` uses the others, too, for many at once"


def _for_sharing(gpus: Sequence[Usable], layout: Layout) -> str | None:
    """Why these GPUs share each layer; None for one alone."""
    number, name = len(gpus), gpus[0].accelerator.name
    if number == 1:
        return None
    link = (
        f"{name} has a fast link between GPUs"
        if _LINK.search(name)
        else f"if these {name} have no NVLink bridge, stages would be quicker"
    )
    return f"each layer is shared out over {number} GPUs: {layout.heads} attention heads can be, and {link}"


def _against_sharing(gpus: Sequence[Usable], layout: Layout) -> str | None:
    """Why these GPUs should be stages; None where they should share each layer."""
    number, name = len(gpus), gpus[0].accelerator.name
    if number == 1:
        return None
    if layout.heads % number:
        return f"the layers are shared out over {number} stages: {layout.heads} attention heads cannot be over {number} GPUs"
    return _unlinked(name, number)


def _unlinked(name: str, stages: int) -> str | None:
    if _NO_LINK.search(name):
        return f"the layers are shared out over {stages} stages: {name} has no NVLink, over which GPUs could share each layer"
    return None


def _sets(gpus: Sequence[Usable], layout: Layout) -> list[tuple[Usable, ...]]:
    """The roomiest GPU alone, then two, four or eight of one kind, where the heads can be shared out."""
    return [same for same in _alike(gpus) if layout.heads % len(same) == 0]


def _alike(gpus: Sequence[Usable]) -> list[tuple[Usable, ...]]:
    """The roomiest GPU alone, then two, four or eight of one kind."""
    by_room = sorted(gpus, key=lambda item: item.gpu.free or 0, reverse=True)
    same = [item for item in by_room if item.accelerator.name == by_room[0].accelerator.name]
    return [tuple(same[:number]) for number in SPLITS if number <= len(same)]


def _across(
    nodes: Sequence[Node], layout: Layout, apis: Sequence[str], interconnect: float | None
) -> Iterator[Group]:
    """As many GPUs as can be of one kind on each of so many nodes, in their order: the head takes part in all."""
    largest = [
        max(_sets(_usable(node, apis, i), layout), key=len, default=()) for i, node in enumerate(nodes)
    ]
    head = largest[0]
    alike = [gpus for gpus in largest if _kind(gpus) == _kind(head)] if head else []
    for number in range(2, len(alike) + 1):
        taken = tuple(alike[:number])
        cards = tuple((gpu,) for gpus in taken for gpu in gpus)
        if len(head) > 1 and len(cards) <= layout.layers and (why := _unlinked(_kind(head)[1], len(cards))):
            yield Group(stages=cards, interconnect=interconnect, why=why)
        elif number <= layout.layers:
            yield Group(stages=taken, interconnect=interconnect, why=_over_nodes(taken))


def _over_nodes(stages: Sequence[Sequence[Usable]]) -> str:
    share = (
        f"each is shared out over {len(stages[0])} GPUs of a node" if len(stages[0]) > 1 else "one GPU each"
    )
    return f"the layers are shared out over {len(stages)} nodes, whose network is slower than a node's own links; {share}"


def _kind(gpus: Sequence[Usable]) -> tuple[int, str]:
    return len(gpus), gpus[0].accelerator.name if gpus else ""


def _usable(node: Node, apis: Sequence[str], number: int) -> Sequence[Usable]:
    """The node's GPUs; those of other nodes than the head carry the node's name before their own."""
    found = pool(Machine(name=node.name, memory=node.memory, accelerators=node.accelerators), apis).gpus
    if number == 0:
        return found
    return [replace(item, gpu=replace(item.gpu, device=f"{node.name}/{item.gpu.device}")) for item in found]
