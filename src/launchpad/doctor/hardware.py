"""The machine: GPUs and their drivers, memory and who holds it, disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.doctor.model import Check, State
from launchpad.sizes import format_size

if TYPE_CHECKING:
    from launchpad.hardware.machine import Accelerator, Machine

PCI = Path("/sys/bus/pci/devices")
_MAKERS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
_DRIVERS = {
    "nvidia": "Install NVIDIA's driver (Debian: `apt install nvidia-driver`) and start the computer again.",
    "amd": "Load the kernel module amdgpu, and install Mesa's Vulkan driver or ROCm.",
    "intel": "Load the kernel module i915 or xe, and install Mesa's Vulkan driver.",
}
LOW_MEMORY = 2 << 30
LOW_DISK = 5_000_000_000


def gpus(machine: Machine) -> Iterator[Check]:
    """Every GPU that is seen, and those on the bus that no driver shows."""
    for gpu in machine.accelerators:
        yield Check(name=f"gpu {gpu.index}", state="ok", evidence=_gpu(gpu))
        if gpu.driver is None and gpu.vendor != "apple":
            yield Check(
                name=f"driver of gpu {gpu.index}",
                state="warn",
                evidence="its version could not be read",
                fix=_DRIVERS.get(gpu.vendor),
            )
    seen = {gpu.vendor for gpu in machine.accelerators}
    for maker in sorted(set(on_the_bus()) - seen):
        state: State = "note" if maker == "intel" else "fail"  # most processors by Intel carry a small one
        yield Check(
            name="driver",
            state=state,
            evidence=f"a graphics device by {maker} is on the bus ({PCI}), and no driver shows it",
            fix=_DRIVERS[maker],
        )
    if not machine.accelerators:
        yield Check(name="gpu", state="note", evidence="none found; engines compute on the processor")


def on_the_bus(folder: Path = PCI) -> list[str]:
    """The makers of the display and 3D controllers on the PCI bus (Linux)."""
    if sys.platform != "linux" or not folder.is_dir():
        return []
    found = []
    for device in folder.iterdir():
        try:
            kind, maker = ((device / name).read_text().strip() for name in ("class", "vendor"))
        except OSError:
            continue
        if kind.startswith("0x03") and maker in _MAKERS:
            found.append(_MAKERS[maker])
    return found


def _gpu(gpu: Accelerator) -> str:
    driver = f", driver {gpu.driver}" if gpu.driver else ""
    free = _gib(gpu.memory_free)
    return f"{gpu.name}, {free} free of {_gib(gpu.memory_total)}{driver}, {'/'.join(gpu.apis) or 'no API'}"


def memory(machine: Machine) -> Iterator[Check]:
    """What is free, and who holds the rest."""
    from launchpad.engines.holders import holders, named

    found = holders()
    available = machine.memory.available
    low = available is not None and available < LOW_MEMORY
    who = [f"{one.name} (pid {one.pid}) {_gib(one.bytes)}" for one in found if one.device == "cpu"]
    evidence = f"{_gib(available)} available of {_gib(machine.memory.total)}"
    if who:
        evidence += f"; the largest processes: {', '.join(who)}"
    fix = "End what you do not need; every model must fit into what is available." if low else None
    yield Check(name="memory", state="warn" if low else "ok", evidence=evidence, fix=fix)
    for line in named(4, [one for one in found if one.device != "cpu"]):
        yield Check(
            name="gpu memory",
            state="note",
            evidence=line,
            fix="End them to have all of it: what others hold is not planned with.",
        )


def disk(machine: Machine) -> Iterator[Check]:
    """Room where models go."""
    free = machine.disk_free
    if free is None:
        yield Check(name="disk", state="warn", evidence="what is free where models go could not be read")
        return
    low = free < LOW_DISK
    fix = "Free some room (`launchpad du`, `launchpad gc`), or move the cache: HF_HUB_CACHE." if low else None
    evidence = f"{format_size(free)} free where models go"
    yield Check(name="disk", state="warn" if low else "ok", evidence=evidence, fix=fix)


def _gib(count: int | None) -> str:
    return "?" if count is None else format_size(count, binary=True)
