"""The default fit: one build of one model on one machine with an engine of llama.cpp's kind."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from launchpad.catalog.model import Build, Model
from launchpad.fit import known_architectures
from launchpad.fit.estimate import estimate
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.placement import Placed, Request, least, place
from launchpad.fit.pool import Pool, is_tight, pool
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Speed, Term, Verdict
from launchpad.fit.speed import cpu_threads
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

GIB = 1 << 30


def fit(
    model: Model,
    build: Build,
    machine: Machine,
    wish: Wish,
    *,
    backend: str = "llamacpp",
    apis: Collection[str] | None = None,
    layout: Layout | None = None,
    engine_build: int | None = None,
) -> Fit:
    """How this build fits this machine: memory per device, where the layers go, how fast, and why not.

    `apis` are those through which the engine at hand can use accelerators; None means any. `layout`, from the
    file's header, is used instead of the catalog's figures. `engine_build` is the number of llama.cpp's build: None is
    a current one, 0 one that does not tell.
    """
    found = layout or layout_from_model(model, build)
    if isinstance(found, Layout) and found.projector and not wish.projector:
        found = structs.replace(found, projector=None)
    blank = _Blank(model, build, wish, backend)
    each = (wish.context or 0) // (wish.parallel or 1)
    if model.context and each > model.context:
        why = f"{each:,} tokens of context were asked for, the model is made for {model.context:,}"
        return blank.result("no", why)
    if isinstance(found, UnknownFigure):
        return blank.result("unknown", f"the catalog does not state {found.field} of this model")
    if (
        layout
        and backend == "llamacpp"
        and (unknown := known_architectures.refusal(layout.architecture, engine_build))
    ):
        return structs.replace(blank.result("no", unknown), way_out=known_architectures.NEWER)
    usable = pool(machine, apis, allow_swap=wish.allow_swap)
    request = Request.of(found, usable, wish, model.context, cpu_threads(machine.cpu), engine_build)
    placed = place(request)
    if placed is None:
        return _refusal(blank, request, usable, machine, found)
    tight = any(is_tight(device) for device in placed.devices)
    shares = _shares(placed, usable)
    return Fit(
        model_id=model.id,
        build=build.ref,
        backend=backend,
        settings=placed.settings,
        placement=placed.placement,
        devices=placed.devices,
        verdict="tight" if tight else "fits",
        speed=estimate(
            found,
            placed.settings,
            placed.used,
            shares,
            machine.cpu,
            engine=backend,
            engine_build=engine_build or None,
            size=build.size,
            download_rate=machine.download_rate,
        ),
        why=_tight_sentence(placed.devices, machine) if tight else None,
        notes=(*usable.notes, *found.notes),
        room=_room(placed.devices, usable),
    )


def _room(devices: tuple[DeviceMemory, ...], usable: Pool) -> int | None:
    """What is left of main memory for other programs, beyond the reserve."""
    if usable.host.free is None:
        return None
    shared = {"cpu", *(item.gpu.device for item in usable.gpus if item.gpu.unified)}
    taken = sum(device.total for device in devices if device.device in shared)
    return usable.host.free - usable.host.reserve - taken


class _Blank:
    """A fit without an arrangement: nothing is placed."""

    def __init__(self, model: Model, build: Build, wish: Wish, backend: str) -> None:
        self.model, self.build, self.wish, self.backend = model, build, wish, backend

    def result(
        self,
        verdict: Verdict,
        why: str,
        devices: tuple[DeviceMemory, ...] | None = None,
        settings: Settings | None = None,
        notes: tuple[str, ...] = (),
    ) -> Fit:
        if devices is None:
            devices = _weights_only(self.build)
        return Fit(
            model_id=self.model.id,
            build=self.build.ref,
            backend=self.backend,
            settings=settings or Settings(context=self.wish.context or 4096),
            placement=Placement(kind="unknown"),
            devices=devices,
            verdict=verdict,
            speed=Speed(),
            why=why,
            notes=notes,
        )


def _weights_only(build: Build) -> tuple[DeviceMemory, ...]:
    if build.size is None:
        return ()
    term = Term(name="weights", bytes=build.size, basis="exact" if build.size_exact else "formula")
    return (DeviceMemory(device="cpu", terms=(term,), free=None),)


def _refusal(blank: _Blank, request: Request, usable: Pool, machine: Machine, layout: Layout) -> Fit:
    """The verdict when nothing fits: which memory is missing, with both numbers."""
    notes = (*usable.notes, *layout.notes)
    if request.require_gpu and not usable.gpus:
        return blank.result(
            "no", "a GPU is required, and there is none that this engine build can use", notes=notes
        )
    if usable.host.free is None:
        return blank.result("unknown", "how much main memory is free is not known", notes=notes)
    best = least(request)
    if best is None:
        return blank.result("unknown", "how much memory is free is not known", notes=notes)
    worst = min(best.devices, key=lambda device: device.spare or 0)
    why = (
        f"needs {_gib(worst.total)} with {best.settings.context:,} tokens of context, "
        f"{_gib(_usable_bytes(worst))} can be used on {_name(worst, machine)}"
    )
    return blank.result("no", why, best.devices, best.settings, notes)


def _tight_sentence(devices: tuple[DeviceMemory, ...], machine: Machine) -> str:
    tightest = min(devices, key=lambda device: device.spare or 0)
    return (
        f"needs {_gib(tightest.total)} of {_gib(_usable_bytes(tightest))} that can be used on "
        f"{_name(tightest, machine)}: little is left"
    )


def _usable_bytes(device: DeviceMemory) -> int:
    return max(0, (device.free or 0) - device.reserve)


def _name(device: DeviceMemory, machine: Machine) -> str:
    """What people call the device."""
    if device.device == "cpu":
        return "main memory"
    for accelerator in machine.accelerators:
        if device.device == f"{accelerator.vendor}:{accelerator.index}":
            return accelerator.name
    return device.device


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.0f} MiB"


def _shares(placed: Placed, usable: Pool) -> list[float]:
    """The part of the offloaded blocks on each accelerator in use."""
    split = placed.settings.tensor_split
    if not split:
        return [1.0] * len(placed.used)
    return [split[usable.gpus.index(item)] for item in placed.used]
