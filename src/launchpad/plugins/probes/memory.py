"""Main memory: what there is, what is free, and what the container allows."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from launchpad.plugins import Memory, ProbeResult, facts_about
from launchpad.plugins.probes.cgroup import memory_limit, swap_limit
from launchpad.plugins.probes.files import ROOT


class System(Struct, frozen=True, kw_only=True):
    """Bytes as the operating system counts them."""

    total: int
    available: int
    swap_free: int | None


class MemoryProbe(Struct, frozen=True):
    """Asks psutil; on Linux the control groups as well."""

    root: Path = ROOT
    name: str = "memory"

    def probe(self) -> ProbeResult:
        """Total, available and swap, each no more than the container's limit leaves."""
        system = read_system()
        limit, swap = memory_limit(self.root), swap_limit(self.root)
        sources = {"total": "psutil.virtual_memory", "available": "psutil.virtual_memory"}
        available = system.available
        if limit and limit.left is not None and limit.left < available:
            available = limit.left
            sources["available"] = f"what is left of {limit.evidence}"
        swap_free = system.swap_free
        if swap is not None and swap_free is not None and swap < swap_free:
            swap_free, sources["swap_free"] = swap, "memory.swap.max of the container"
        memory = Memory(
            total=system.total,
            available=available,
            limit=limit.limit if limit and limit.limit < system.total else None,
            swap_free=swap_free,
        )
        if limit:
            sources["limit"] = limit.evidence
        return ProbeResult(memory=memory, facts=facts_about("memory", memory, "psutil.swap_memory", sources))


def read_system() -> System:
    """Memory of the whole system, as psutil reads it."""
    import psutil

    memory = psutil.virtual_memory()
    return System(total=memory.total, available=memory.available, swap_free=_swap_free())


def _swap_free() -> int | None:
    import warnings

    import psutil

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it warns where /proc/vmstat is hidden, which does not matter here
            return psutil.swap_memory().free
    except (OSError, RuntimeError):
        return None


def usable(root: Path = ROOT) -> tuple[int, int]:
    """(total, available) bytes for a device that shares the main memory, within the container's limit."""
    memory = MemoryProbe(root).probe().memory
    assert memory is not None and memory.total is not None and memory.available is not None
    return min(memory.total, memory.limit or memory.total), memory.available
