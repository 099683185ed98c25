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

    `others` are as many GPUs again, once or several times, that hold copies of the whole. `interconnect` is what the network between the
    stages carries, in bytes/s (None: not known, or there is one stage). `why` says why several GPUs share each layer, are stages or hold
    copies, `idle` what could be done with GPUs that are left.
    """

    stages: tuple[tuple[Usable, ...], ...]
    others: tuple[Usable, ...] = ()
    interconnect: float | None = None
    why: str | None = None
    idle: str | None = None

    @property
    def gpus(self) -> tuple[Usable, ...]:
        """All of them, stage by stage, then the other copies."""
        return (*(gpu for stage in self.stages for gpu in stage), *self.others)

    @property
    def tensor_parallel(self) -> int:
        """GPUs that share each layer."""
        return len(self.stages[0])

    @property
    def pipeline_parallel(self) -> int:
        """Stages that the layers pass through, one after the other."""
        return len(self.stages)

    @property
    def data_parallel(self) -> int:
        """Copies of the model, each of which takes a part of the conversations."""
        return len(self.gpus) // (self.tensor_parallel * self.pipeline_parallel)


def groups(
    machine: Machine,
    layout: Layout,
    apis: Sequence[str],
    *,
    allow_swap: bool = False,
    number: int | None = None,
) -> list[Group]:
    """From the fewest GPUs up: within the machine, then over two, three, … nodes of the cluster that it heads.

    With a `number` those of so many GPUs: where they cannot share each layer, copies on fewer before stages over all. A cluster has
    replicas for that.
    """
    own = pool(machine, apis, allow_swap=allow_swap).gpus
    found = list(_within(own, layout, number))
    if machine.cluster:
        found += _across(machine.cluster.nodes, layout, apis, machine.cluster.interconnect)
    if number is None:
        return found
    copies = () if machine.cluster else _copies(own, layout, number)
    return [*copies, *(one for one in found if len(one.gpus) == number)]


def _within(gpus: Sequence[Usable], layout: Layout, number: int | None) -> Iterator[Group]:
    """One, two, four, eight or all of one kind: each layer shared out, or stages where that cannot be or does not pay."""
    for same in _alike(gpus, number):
        idle, against = _idle(gpus, same), _against_sharing(same, layout)
        if against is None:
            yield Group(stages=(same,), why=_for_sharing(same, layout), idle=idle)
            continue
        each = _largest_share(same, layout)
        stages = tuple(tuple(same[begin : begin + each]) for begin in range(0, len(same), each))
        if len(stages) <= layout.layers:
            own = f"{each} GPUs that share each layer" if each > 1 else "one GPU"
            yield Group(stages=stages, why=f"{len(stages)} stages of {own}: {against}", idle=idle)


def _copies(gpus: Sequence[Usable], layout: Layout, number: int) -> Iterator[Group]:
    """Copies on so many GPUs in all, the smallest first, where one model cannot be shared out over them or that does not pay."""
    same = next((one for one in _alike(gpus, number) if len(one) == number), ())
    against = _against_sharing(same, layout) if same else None
    if against is None:
        return
    for each in (one for one in range(1, number) if number % one == 0):
        if _against_sharing(same[:each], layout) is None:
            on = "one GPU" if each == 1 else f"{each} GPUs"
            why = f"{number // each} copies on {on} each, which share the conversations out: {against}"
            yield Group(stages=(same[:each],), others=same[each:], why=why)


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
    """Why these GPUs should not share each layer; None where they should."""
    number, name = len(gpus), gpus[0].accelerator.name
    if number == 1:
        return None
    if layout.heads % number:
        return f"{layout.heads} attention heads cannot be shared out over {number} GPUs"
    if not _whole_kv_heads(layout, number):
        return f"{_kv_heads(layout)} KV heads cannot be shared out over {number} GPUs"
    return f"{name} has no NVLink, over which GPUs could share each layer" if _NO_LINK.search(name) else None


def _largest_share(gpus: Sequence[Usable], layout: Layout) -> int:
    """How many of these GPUs can share each layer, so that all of them are equal stages."""
    number = len(gpus)
    parts = (part for part in range(number - 1, 0, -1) if number % part == 0)
    return next(part for part in parts if _against_sharing(gpus[:part], layout) is None)


def _kv_heads(layout: Layout) -> int:
    return max(1, round(layout.heads / max(layout.gqa, 1.0)))


def _whole_kv_heads(layout: Layout, number: int) -> bool:
    """vLLM gives each GPU whole KV heads, or the same one to several; a compressed cache has none to share out."""
    heads = _kv_heads(layout)
    return layout.mla or heads % number == 0 or number % heads == 0


def _sets(gpus: Sequence[Usable], layout: Layout) -> list[tuple[Usable, ...]]:
    """The roomiest GPU alone, then more of one kind, where the heads can be shared out."""
    return [
        same for same in _alike(gpus) if layout.heads % len(same) == 0 and _whole_kv_heads(layout, len(same))
    ]


def _alike(gpus: Sequence[Usable], number: int | None = None) -> list[tuple[Usable, ...]]:
    """The roomiest GPU alone, then two, four, eight and all of one kind, and so many as are asked for."""
    by_room = sorted(gpus, key=lambda item: item.gpu.free or 0, reverse=True)
    same = [item for item in by_room if item.accelerator.name == by_room[0].accelerator.name]
    sizes = sorted({*SPLITS, len(same), number or 1})
    return [tuple(same[:size]) for size in sizes if 0 < size <= len(same)]


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
        name = _kind(head)[1]
        if len(head) > 1 and len(cards) <= layout.layers and _NO_LINK.search(name):
            why = f"{len(cards)} stages of one GPU: {name} has no NVLink, over which GPUs could share each layer"
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
