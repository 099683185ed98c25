"""The memory that a fit predicts beside what the engine says: per device, and whether they agree. PURE."""

from __future__ import annotations

from launchpad.engines.server import EngineBuffers, EngineReport
from launchpad.fit.result import Confirmation, DeviceMemory, Fit, MemoryCheck

TOLERANCE = 0.03
ROUNDING = 4 << 20  # engines tell whole MiB for each of their sums

_PARTS = {
    "weights": ("weights", "draft_weights", "lora"),
    "context": ("kv_cache", "recurrent_state", "draft_kv_cache", "draft_recurrent_state"),
    "compute": ("compute", "output", "draft_compute", "draft_output"),
}


def check_memory(fit: Fit, report: EngineReport, *, loaded: bool) -> Confirmation | None:
    """Compare; None when the engine told no sums, or sums for other devices than the fit's.

    Once the weights are `loaded`, their repacked copies lie beside them; before, the engine counts them once.
    """
    engine = _by_kind(report.buffers)
    fitted = fit.devices
    if not engine or not fitted:
        return None
    if all(device.device != "cpu" for device in fitted):
        engine = [_merged(engine)]  # unified memory is one device to the fit
    if len(engine) != len(fitted):
        return None
    checks = tuple(_check(ours, theirs, loaded) for ours, theirs in zip(fitted, engine, strict=True))
    return Confirmation(engine=report.engine, devices=checks, agrees=all(map(_agrees, checks)))


def _by_kind(buffers: tuple[EngineBuffers, ...]) -> list[EngineBuffers]:
    """Accelerators in the engine's order, main memory last, as fits list them."""
    return sorted(buffers, key=lambda buffer: (buffer.device == "cpu", buffer.device))


def _merged(buffers: list[EngineBuffers]) -> EngineBuffers:
    return EngineBuffers(
        device=buffers[0].device,
        model=sum(buffer.model for buffer in buffers),
        context=sum(buffer.context for buffer in buffers),
        compute=sum(buffer.compute for buffer in buffers),
    )


def _check(ours: DeviceMemory, theirs: EngineBuffers, loaded: bool) -> MemoryCheck:
    predicted = {part: sum(ours.term(name) for name in names) for part, names in _PARTS.items()}
    if loaded:
        predicted["weights"] += ours.term("repack")
    engine = {"weights": theirs.model, "context": theirs.context, "compute": theirs.compute}
    total = sum(predicted.values())
    return MemoryCheck(
        device=ours.device,
        predicted=predicted,
        engine=engine,
        difference=sum(engine.values()) / total - 1 if total else 0.0,
    )


def _agrees(check: MemoryCheck) -> bool:
    gap = abs(sum(check.engine.values()) - sum(check.predicted.values()))
    return abs(check.difference) <= TOLERANCE or gap <= ROUNDING


def disagreements(confirmation: Confirmation) -> tuple[str, ...]:
    """One line for each device on which the engine differs."""
    return tuple(
        f"The engine says {_mib(check.engine)} on {check.device}, {_mib(check.predicted)} were computed "
        f"({check.difference:+.1%}); the engine is right."
        for check in confirmation.devices
        if not _agrees(check)
    )


def _mib(parts: dict[str, int]) -> str:
    return f"{sum(parts.values()) / (1 << 20):,.0f} MiB"
