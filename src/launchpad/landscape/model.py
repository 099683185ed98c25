"""The landscape as data: one point per rated model, the leaders, and the limits of a machine. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.fit.result import Band, Fit
from launchpad.hardware.machine import Accelerator, Machine, Memory

GIB = 1 << 30
KEPT = 0.97
"""Share of its best build's score that the build a model is shown with must keep: the smallest such build stands."""

CLASSES = (2, 4, 8, 16, 24, 32, 48, 80, 160, 320, 640, 1280)
"""Upper bounds of the size classes, in GiB: what common cards and machines offer."""

PLENTY = 1 << 50  # bytes, of GPU and main memory each


class Rival(Struct, frozen=True, kw_only=True):
    """A model as it enters the landscape: its build, what that needs anywhere, and how it would run on the machine.

    `score` is what it ranks by, `loss` the share of the quality that the build's quantization takes. `anywhere` is the fit with memory to spare,
    `here` the fit on the machine; None where no backend can say.
    """

    model: Model
    build: Build
    score: float
    loss: float
    anywhere: Fit
    here: Fit | None


class Point(Struct, frozen=True, kw_only=True):
    """One model. Bytes; `quality` is what `recommend` ranks by: the measured figure less the loss and the doubt.

    `leads`: no model that needs as little memory or less is better.
    """

    id: str
    name: str
    lab: str
    country: str | None
    license: str | None
    license_kind: str | None
    released: str | None
    parameters: float | None
    parameters_active: float | None
    quantization: str
    ref: str
    memory: int
    download: int | None
    quality: float
    measured: float
    spread: float
    loss: float
    sources: tuple[str, ...]
    runs: bool | None
    speed: Band | None
    why_not: str | None
    leads: bool = False


class Limit(Struct, frozen=True, kw_only=True):
    """How much memory of one kind a machine offers now, in bytes."""

    name: str
    memory: int


class Evidence(Struct, frozen=True, kw_only=True):
    """A publisher of measurements: how many of the points rest on it, and the date of its latest figure used."""

    name: str
    models: int
    latest: str | None = None


class SizeClass(Struct, frozen=True, kw_only=True):
    """The best models that need no more than `memory` bytes and more than the class below: ids, best first."""

    memory: int
    ids: tuple[str, ...]


class Landscape(Struct, frozen=True, kw_only=True):
    """All points by memory, leaders marked. `unrated` and `unplaced` are counted, never drawn.

    `unplaced` are rated models for which no backend could say what memory they need.
    """

    catalog_date: str | None
    machine: str
    purpose: str
    context: int
    points: tuple[Point, ...]
    limits: tuple[Limit, ...]
    classes: tuple[SizeClass, ...]
    evidence: tuple[Evidence, ...]
    unrated: int
    unplaced: int

    @property
    def leaders(self) -> tuple[Point, ...]:
        """The points that lead, from the smallest to the best."""
        return tuple(point for point in self.points if point.leads)


def plenty(size: int = PLENTY) -> Machine:
    """A machine on which memory is no matter, so that what a model needs can be compared; or one of `size` bytes."""
    gpu = Accelerator(
        index=0,
        vendor="nvidia",
        name="any",
        apis=("cuda",),
        memory_total=size,
        memory_free=size,
    )
    memory = Memory(total=size, available=size)
    return Machine(name="any", memory=memory, accelerators=(gpu,), simulated=True)


def representative(builds: Iterable[tuple[Build, float | None]]) -> tuple[Build, float] | None:
    """The smallest build whose score is next to that of the best one, with its score.

    Builds without a score do not count; where no size is known, a lower score counts as smaller.
    """
    known = [(build, score) for build, score in builds if score is not None]
    known = [one for one in known if one[0].size] or known
    if not known:
        return None
    bar = KEPT * max(score for _, score in known)
    good = [one for one in known if one[1] >= bar]
    if good[0][0].size:
        return min(good, key=lambda one: (one[0].size or 0, -one[1], one[0].ref))
    return min(good, key=lambda one: (one[1], one[0].ref))


def landscape(
    rivals: Sequence[Rival],
    machine: Machine,
    *,
    purpose: str,
    context: int,
    catalog_date: str | None = None,
    unrated: int = 0,
    unplaced: int = 0,
    latest: Mapping[str, str] | None = None,
) -> Landscape:
    """Put `rivals` in order. Deterministic. `latest` maps publishers to the date of their latest figure."""
    points = _mark_leaders(sorted((_point(rival, purpose) for rival in rivals), key=_by_memory))
    return Landscape(
        catalog_date=catalog_date,
        machine=machine.name,
        purpose=purpose,
        context=context,
        points=tuple(points),
        limits=tuple(limits(machine)),
        classes=tuple(_classes(points)),
        evidence=tuple(_evidence(points, latest or {})),
        unrated=unrated,
        unplaced=unplaced,
    )


def _point(rival: Rival, purpose: str) -> Point:
    model, build, here = rival.model, rival.build, rival.here
    quality = model.quality
    assert quality is not None, "only rated models are rivals"
    measured = quality.of(purpose)
    return Point(
        id=model.id,
        name=model.name,
        lab=model.lab,
        country=model.country,
        license=model.license.spdx or model.license.name or model.license.id,
        license_kind=model.license.kind,
        released=model.released,
        parameters=model.parameters,
        parameters_active=model.parameters_active,
        quantization=build.quantization,
        ref=build.ref,
        memory=rival.anywhere.total,
        download=build.size,
        quality=round(rival.score, 2),
        measured=measured,
        spread=quality.spread,
        loss=round(rival.loss, 4),
        sources=quality.sources,
        runs=here.runs if here else None,
        speed=here.speed.decode if here and here.runs else None,
        why_not=here.why if here and not here.runs else None,
    )


def _by_memory(point: Point) -> tuple[int, float, str]:
    return (point.memory, -point.quality, point.id)


def _mark_leaders(points: Iterable[Point]) -> list[Point]:
    best, marked = 0.0, []
    for point in points:
        leads = point.quality > best
        best = max(best, point.quality)
        marked.append(replace(point, leads=leads))
    return marked


def _classes(points: Sequence[Point]) -> Iterable[SizeClass]:
    below = 0
    for bound in CLASSES:
        top = bound * GIB
        inside = [point for point in points if below < point.memory <= top]
        inside.sort(key=lambda point: (-point.quality, point.memory, point.id))
        if inside:
            yield SizeClass(memory=top, ids=tuple(point.id for point in inside[:3]))
        below = top


def limits(machine: Machine) -> Iterable[Limit]:
    """What the machine offers: its GPUs' memory, and that together with main memory (unified memory counts once).

    Of a cluster, the GPUs of the first node and those of all nodes.
    """
    discrete = [a.memory_free for a in machine.accelerators if not a.unified and a.memory_free]
    unified = max((a.memory_free or 0 for a in machine.accelerators if a.unified), default=0)
    main = machine.memory.available or 0
    on_gpus = sum(discrete) + unified
    if on_gpus:
        own = "GPU memory" if len(discrete) + bool(unified) < 2 else "all GPUs"
        yield Limit(name="GPUs of one node" if machine.cluster else own, memory=on_gpus)
    if machine.cluster:
        cards = (card for node in machine.cluster.nodes for card in node.accelerators)
        together = sum(card.memory_free or 0 for card in cards)
        yield Limit(name=f"GPUs of all {len(machine.cluster.nodes)} nodes", memory=together)
        return
    whole = sum(discrete) + max(main, unified)
    if main and whole > on_gpus:
        name = "GPU and main memory" if discrete else "all memory" if unified else "main memory"
        yield Limit(name=name, memory=whole)


def _evidence(points: Sequence[Point], latest: Mapping[str, str]) -> Iterable[Evidence]:
    counts: dict[str, int] = {}
    for point in points:
        for source in point.sources:
            counts[source] = counts.get(source, 0) + 1
    for name in sorted(counts, key=lambda source: (-counts[source], source)):
        yield Evidence(name=name, models=counts[name], latest=latest.get(name))
