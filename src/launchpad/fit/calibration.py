"""What earlier launches on a machine say about the next one: formulas give a figure, measurements correct it. PURE.

The same build with the same settings on the same engine is expected to do what it did ("measured"). Anything else on
the same devices is corrected by how far the formulas were off there ("calibrated"), within bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from launchpad.fit.result import (
    Band,
    Basis,
    Confirmation,
    DeviceMemory,
    Fit,
    Learned,
    Placement,
    Settings,
    Speed,
    Term,
)
from launchpad.fit.speed import PROMPT

VERSION = 1
LATEST = 20  # measurements that count; older ones describe older drivers and other habits
BOUNDS = (0.4, 2.5)  # a correction beyond them says that something else was going on
MEASURED_HALF_WIDTH = 0.15  # the same launch again
ONCE_HALF_WIDTH = 0.30  # what was seen once or twice may have been slowed by other programs
CALIBRATED_HALF_WIDTH = 0.20  # no better than that, from the third measurement on
ENOUGH = 3
LARGEST_OVERHEAD = 1 << 30


class Figures(Struct, frozen=True, kw_only=True):
    """Speeds in tokens/s (`decode` with `depth` tokens in the context), `load` in seconds, the process in bytes.

    `process` is what of the engine's process was resident; `overhead` that part of it that belongs to no buffer.
    """

    decode: float | None = None
    depth: float | None = None
    prefill: float | None = None
    load: float | None = None
    process: int | None = None
    overhead: int | None = None


class Measurement(Struct, frozen=True, kw_only=True):
    """One launch: what the formulas alone predicted, and what was seen.

    `machine` is a fingerprint, `build` the key of the build, `size` the bytes of its files, `engine` the engine's own
    name with its build, `placement` what `placement_key` says. `time` is UTC. `busy` counts cores on which other programs
    ran while it was measured, where those slowed it: its speeds and its load time are kept, and teach nothing.
    """

    version: int = VERSION
    time: str
    source: str  # run, bench, dry-run
    machine: str
    backend: str
    engine: str
    placement: str
    model: str
    build: str
    size: int | None
    settings: Settings
    predicted: Figures
    measured: Figures
    memory: Confirmation | None = None
    busy: float = 0.0


def placement_key(placement: Placement) -> str:
    """Which kinds of devices share the work."""
    return f"{placement.kind}:{','.join(placement.devices)}"


def formula_speeds(speed: Speed, depth: float) -> Figures:
    """What the formulas alone said, decode at that depth: learned corrections are taken out again."""
    learned = speed.learned or Learned()
    decode = decode_at(speed, depth)
    prefill = speed.prefill.value / learned.prefill if speed.prefill else None
    return Figures(decode=decode / learned.decode if decode else None, depth=depth, prefill=prefill)


def decode_at(speed: Speed, depth: float) -> float | None:
    """Tokens per second with so many tokens in the context, from the figure for the quoted depth."""
    if speed.decode is None:
        return None
    seconds = 1 / speed.decode.value + (depth - speed.depth) * speed.seconds_per_depth
    return 1 / seconds if seconds > 0 else speed.decode.value


def calibrate(
    fit: Fit, measurements: Sequence[Measurement], *, build: str, size: int | None, engine: str | None
) -> Fit:
    """The fit with what was learned on its machine. `engine` is the version that would run it."""
    here = [
        one
        for one in measurements
        if one.backend == fit.backend and one.placement == placement_key(fit.placement)
    ]
    same_engine = [one for one in here if engine is not None and engine in one.engine]
    relevant = (same_engine or here)[-LATEST:]
    if not fit.runs or not relevant:
        return fit
    quiet = [one for one in same_engine or here if not one.busy]
    same = [one for one in same_engine if not one.busy and _is_same(one, fit, build, size)]
    speed = _speed(fit.speed, same[-LATEST:], quiet[-LATEST:], size) if quiet else fit.speed
    return replace(fit, speed=speed, devices=_devices(fit, relevant))


def _is_same(one: Measurement, fit: Fit, build: str, size: int | None) -> bool:
    """The same file with settings that matter for speed: all but the length of the context."""
    then = replace(one.settings, context=fit.settings.context)
    return one.build == build and one.size == size and then == fit.settings


def _speed(
    speed: Speed, same: Sequence[Measurement], others: Sequence[Measurement], size: int | None
) -> Speed:
    decode, decode_factor = _corrected(speed.decode, same, others, lambda figures: figures.decode)
    prefill, prefill_factor = _corrected(speed.prefill, same, others, lambda figures: figures.prefill)
    first = speed.first_token
    if prefill and decode:
        first = PROMPT / prefill.value + 1 / decode.value
    return replace(
        speed,
        decode=decode,
        prefill=prefill,
        first_token=first,
        load=_load(same, others, size) or speed.load,
        seconds_per_depth=speed.seconds_per_depth / decode_factor,
        learned=Learned(decode=decode_factor, prefill=prefill_factor),
    )


def _corrected(
    band: Band | None,
    same: Sequence[Measurement],
    others: Sequence[Measurement],
    figure: Callable[[Figures], float | None],
) -> tuple[Band | None, float]:
    """The band around what was seen, and the factor on the formula."""
    if band is None:
        return None, 1.0
    if ratios := _ratios(same, figure):
        sure = len(ratios) >= ENOUGH
        width = max(MEASURED_HALF_WIDTH, _spread(ratios)) if sure else ONCE_HALF_WIDTH
        return _around(band, median(ratios), width, "measured")
    ratios = _ratios(others, figure)
    if not ratios:
        return band, 1.0
    factor = min(max(median(ratios), BOUNDS[0]), BOUNDS[1])
    width = band.high / band.value - 1
    if len(ratios) >= ENOUGH:
        width = min(width, max(CALIBRATED_HALF_WIDTH, _spread(ratios)))
    return _around(band, factor, width, "calibrated")


def _ratios(measurements: Iterable[Measurement], figure: Callable[[Figures], float | None]) -> list[float]:
    pairs = ((figure(one.measured), figure(one.predicted)) for one in measurements)
    return [seen / said for seen, said in pairs if seen and said]


def _spread(ratios: Sequence[float]) -> float:
    """The distance from the median that half of the ratios keep, twice: about nine in ten are within."""
    middle = median(ratios)
    return 2 * median(abs(ratio / middle - 1) for ratio in ratios)


def _around(band: Band, factor: float, half_width: float, basis: Basis) -> tuple[Band, float]:
    value = band.value * factor
    width = min(half_width, 0.9)
    return Band(low=value * (1 - width), value=value, high=value * (1 + width), basis=basis), factor


def _load(same: Sequence[Measurement], others: Sequence[Measurement], size: int | None) -> float | None:
    """Seconds: as before, else in proportion to the file that is nearest in size."""
    if seen := [one.measured.load for one in same if one.measured.load]:
        return median(seen)
    known = [(one.size, one.measured.load) for one in others if one.size and one.measured.load]
    if not known or not size:
        return None
    near, seconds = min(known, key=lambda pair: abs(pair[0] - size))
    return seconds * max(1.0, size / near)


def _devices(fit: Fit, measurements: Sequence[Measurement]) -> tuple[DeviceMemory, ...]:
    """Main memory with the process overhead that was seen, where the fit still stands with it."""
    seen = [one.measured.overhead for one in measurements if one.measured.overhead is not None]
    if not seen:
        return fit.devices
    overhead = min(max(int(median(seen)), 0), LARGEST_OVERHEAD)
    return tuple(_with_overhead(device, overhead) for device in fit.devices)


def _with_overhead(device: DeviceMemory, overhead: int) -> DeviceMemory:
    if device.device != "cpu":
        return device
    terms = tuple(
        Term(name=term.name, bytes=overhead, basis="measured") if term.name == "overhead" else term
        for term in device.terms
    )
    changed = replace(device, terms=terms)
    return device if changed.spare is not None and changed.spare < 0 else changed
