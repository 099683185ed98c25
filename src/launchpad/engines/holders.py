"""Which processes hold the memory, by name: main memory by psutil, NVIDIA's by its driver."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from msgspec import Struct

LEAST = 256 << 20  # bytes from which on a process is worth naming


class Holder(Struct, frozen=True, kw_only=True):
    """A process and the bytes that it holds on a device ("cpu", or "nvidia:0")."""

    device: str
    pid: int
    name: str
    bytes: int


def holders(most: int = 3) -> tuple[Holder, ...]:
    """The largest holders of each device, this process aside."""
    return (*_largest(_of_main_memory(), most), *_of_nvidia(most))


def named(share: int = 4, found: Sequence[Holder] | None = None) -> tuple[str, ...]:
    """One sentence for each device on which others hold much; none otherwise.

    In main memory every machine has large processes: only those with at least a `share`-th of it are named.
    """
    by_device: dict[str, list[str]] = {}
    least = max(LEAST, _total() // share)
    for one in holders() if found is None else found:
        if one.device != "cpu" or one.bytes >= least:
            by_device.setdefault(one.device, []).append(f"{one.name} (pid {one.pid}) {_gib(one.bytes)}")
    return tuple(f"On {device} hold memory: {', '.join(who)}." for device, who in by_device.items())


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


def _total() -> int:
    import psutil

    total: int = psutil.virtual_memory().total
    return total


def _largest(found: Sequence[Holder], most: int) -> tuple[Holder, ...]:
    return tuple(sorted((one for one in found if one.bytes >= LEAST), key=lambda one: -one.bytes)[:most])


def _of_main_memory() -> list[Holder]:
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "name", "memory_info"]):
        info = process.info
        if info["memory_info"] is not None and info["pid"] != os.getpid():
            found.append(
                Holder(device="cpu", pid=info["pid"], name=info["name"] or "?", bytes=info["memory_info"].rss)
            )
    return found


def _of_nvidia(most: int) -> list[Holder]:
    found: list[Holder] = []
    with contextlib.suppress(Exception):  # no driver, no permission, a call that this driver lacks
        import pynvml

        pynvml.nvmlInit()
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                found += _largest(_on(pynvml.nvmlDeviceGetHandleByIndex(index), index), most)
        finally:
            pynvml.nvmlShutdown()
    return found


def _on(handle: object, index: int) -> list[Holder]:
    import pynvml

    seen: dict[int, int] = {}
    for ask in (pynvml.nvmlDeviceGetComputeRunningProcesses, pynvml.nvmlDeviceGetGraphicsRunningProcesses):
        with contextlib.suppress(pynvml.NVMLError):
            for process in ask(handle):
                seen[process.pid] = max(seen.get(process.pid, 0), process.usedGpuMemory or 0)
    seen.pop(os.getpid(), None)
    return [
        Holder(device=f"nvidia:{index}", pid=pid, name=_name(pid), bytes=held) for pid, held in seen.items()
    ]


def _name(pid: int) -> str:
    import psutil

    try:
        name: str = psutil.Process(pid).name()
    except psutil.Error:
        return "another process"
    return name
