"""The machine at hand: run the probes, merge what they found, add what tables and one measurement know."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from launchpad.errors import LaunchpadError
from launchpad.hardware.devices import Device, look_up
from launchpad.hardware.machine import Accelerator, Fact, Machine, ProbeResult
from launchpad.hardware.merge import merge

Probe = tuple[str, Callable[[], ProbeResult]]


def detect(probes: Iterable[Probe], *, measure_bandwidth: bool = True) -> Machine:
    """Everything that can be found out about this machine. Never raises: what fails is a warning.

    A probe that knows more should come first: what an earlier probe said is kept. With `measure_bandwidth` the
    main memory's bandwidth is measured (about 0.3 s, once a week; the result is kept) unless a probe knows it.
    """
    warnings: list[str] = []
    merged = merge(_run(probes, warnings))
    machine = Machine(
        name="this machine",
        os=merged.os or platform.system().lower() or None,
        cpu=merged.cpu,
        memory=merged.memory,
        accelerators=merged.accelerators,
        facts=merged.facts,
        warnings=(*warnings, *merged.warnings),
    )
    if merged.os is None and machine.os:
        machine = _stated(machine, "os", machine.os, "platform.system")
    machine = _with_devices(machine)
    machine = _with_disk(machine)
    return _with_bandwidth(machine, measure=measure_bandwidth)


def _run(probes: Iterable[Probe], warnings: list[str]) -> Iterator[tuple[str, ProbeResult]]:
    for name, probe in probes:
        try:
            yield name, probe()
        except Exception as error:  # a stranger's code: whatever it raises, the other probes count
            warnings.append(f"Probe {name} failed: {type(error).__name__}: {error}".splitlines()[0])


# -- from the table of devices ----------------------------------------------------------------------------------


def _with_devices(machine: Machine) -> Machine:
    """Each accelerator with the bandwidth, arithmetic and architecture of its model, where it is known."""
    parts, facts = [], list(machine.facts)
    for i, part in enumerate(machine.accelerators):
        filled, evidence = _from_table(part)
        parts.append(filled)
        facts += _new_figures(i, part, filled, evidence)
    return replace(machine, accelerators=tuple(parts), facts=tuple(facts))


def _from_table(part: Accelerator) -> tuple[Accelerator, str]:
    name, slice_of_gpu, _ = part.name.partition(" MIG ")
    found = look_up(part.vendor, name, None if slice_of_gpu else part.memory_total, part.arch)
    if found is None:
        return part, ""
    device, share = found.device, 1.0
    if slice_of_gpu:
        share = _share(device, part.memory_total)
    figures = {
        "bandwidth": device.bandwidth and device.bandwidth * share,
        # Compute slices and memory slices of a MIG instance differ, so its arithmetic stays unknown.
        "fp32_flops": None if slice_of_gpu else device.fp32_flops,
        "arch": device.arch,
    }
    missing = {field: value for field, value in figures.items() if getattr(part, field) is None}
    note = f", {share:.0%} of its memory" if slice_of_gpu else ""
    return replace(part, **missing), found.evidence + note


def _share(device: Device, memory: int | None) -> float:
    """The part of the card's memory, and so of its bandwidth, that a MIG instance owns (in eighths, as it is cut)."""
    if memory is None or not device.sizes:
        return 0.125
    return min(1.0, max(1, round(8 * memory / max(device.sizes))) / 8)


def _new_figures(i: int, before: Accelerator, after: Accelerator, evidence: str) -> Iterator[Fact]:
    for field in ("bandwidth", "fp32_flops", "arch"):
        value = getattr(after, field)
        if value is not None and getattr(before, field) is None:
            yield Fact(subject=f"accelerators.{i}.{field}", value=str(value), evidence=evidence)


# -- the disk ---------------------------------------------------------------------------------------------------


def _with_disk(machine: Machine) -> Machine:
    """With the free space where models go: the Hub's cache, or its nearest parent that exists."""
    try:
        from launchpad.paths import hub_cache

        folder = _existing(hub_cache().absolute())
        free = shutil.disk_usage(folder).free
    except (OSError, RuntimeError, LaunchpadError) as error:
        return replace(machine, warnings=(*machine.warnings, f"The free disk space is unknown: {error}"))
    return _stated(replace(machine, disk_free=free), "disk_free", str(free), f"statvfs of {folder}")


def _existing(path: Path) -> Path:
    for folder in (path, *path.parents):
        if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises PermissionError in a closed folder
            return folder
    return path


# -- memory bandwidth -------------------------------------------------------------------------------------------


def _with_bandwidth(machine: Machine, *, measure: bool) -> Machine:
    """With the main memory's bandwidth: what a probe said, else what was measured before, else measured now."""
    if machine.cpu.bandwidth is not None:
        return machine
    from launchpad.hardware.bandwidth import known_or_measured

    reading = known_or_measured(machine.cpu, machine.memory, measure=measure)
    if reading is None:
        return machine
    if reading.bandwidth is None:
        return _stated(machine, "cpu.bandwidth", "unknown", reading.evidence)
    cpu = replace(machine.cpu, bandwidth=reading.bandwidth, bandwidth_measured=True)
    facts = Fact(subject="cpu.bandwidth", value=str(round(reading.bandwidth)), evidence=reading.evidence)
    return replace(machine, cpu=cpu, facts=(*machine.facts, facts))


def _stated(machine: Machine, subject: str, value: str, evidence: str) -> Machine:
    fact = Fact(subject=subject, value=value, evidence=evidence)
    return replace(machine, facts=(*machine.facts, fact))
