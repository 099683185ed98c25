"""What the main memory really delivers: all cores compare two equal blocks, over and over; the best round counts.

A round takes a few milliseconds, so that beside other work, too, some are answered with every core at hand. Decoding on the CPU is reading the weights once per token, so bytes per second of reading is the figure that
matters; `memcmp` reads both buffers at nearly the speed of an engine's own loops and lets go of Python's lock.
One measurement takes less than half a second, twice that beside other work, and is kept for a week (then for ten minutes),
so that the next start costs nothing.
"""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Any

from msgspec import Struct

from launchpad.hardware.machine import Cpu, Memory

MIB = 2**20
_FILL_BUDGET = 0.2  # s for writing the buffers; what was written until then is read
_BUDGET = 0.35  # s for all of it
_SETTLED = 25  # rounds in a row without a better one end it, unless other work may have held them up
_BETTER = 1.01
_PATIENCE = 2  # times both budgets, beside other work
_BLOCK = 8 * MIB
_LEAST = 192 * MIB  # both buffers together
_MOST = 1024 * MIB
_CACHES = 4  # times the last-level cache, so that little of a round is answered by it
_SHARE = 8  # at most this part of the available memory is borrowed
_TOO_SMALL = 64 * MIB
_THREADS = 128
_KEPT_FOR = 7 * 24 * 3600.0
_KEPT_WHEN_BUSY = 600.0  # what other work held back is measured again soon
_BUSY = 0.5  # share of the cores that others use
_KEPT_ENTRIES = 16
_PLAUSIBLE = (1e8, 1e13)  # bytes/s


class Reading(Struct, frozen=True, kw_only=True):
    """A bandwidth in bytes/s and how it is known. `bandwidth` is None where it could not be measured; `evidence` says why."""

    bandwidth: float | None
    evidence: str


class Unmeasurable(Exception):
    """Why there is no figure."""


def known_or_measured(
    cpu: Cpu, memory: Memory, *, measure: bool = True, file: Path | None = None
) -> Reading | None:
    """The bandwidth kept in `file` for this machine since it was started, else a new measurement. Never raises.

    None when there is no measurement and none may be made (`measure` is False).
    """
    try:
        file = file or _default_file()
        key = _key(cpu, memory)
        if kept := _read(file).get(key):
            return Reading(
                bandwidth=kept["bandwidth"], evidence=f"measured before with memcmp, kept in {file}"
            )
        if not measure:
            return None
        size = buffer_bytes(memory, last_level_cache())
        if size is None:
            return Reading(
                bandwidth=None, evidence="not measured: too little memory is free, or nobody says how much"
            )
        threads = _threads(cpu)
        busy = busy_cores(cpu) > 0
        bandwidth = measured(size, threads, patience=_PATIENCE if busy else 1)
        _keep(file, key, bandwidth, busy=busy)
    except Unmeasurable as why:
        return Reading(bandwidth=None, evidence=f"not measured: {why}")
    except Exception as error:  # a nicety must not stop a start: without it the figure stays unknown
        return Reading(bandwidth=None, evidence=f"not measured: {type(error).__name__}: {error}")
    beside = " beside other work" if busy else ""
    return Reading(bandwidth=bandwidth, evidence=f"measured with memcmp in {threads} threads{beside}")


# -- measuring --------------------------------------------------------------------------------------------------


def measured(size: int, threads: int, *, patience: int = 1) -> float:
    """Bytes per second of the best round over up to `size` bytes, in less than half a second times `patience`.

    Raises `Unmeasurable`.
    """
    memcmp = _memcmp()
    half = min(_BLOCK, size // threads // 2) // mmap.PAGESIZE * mmap.PAGESIZE
    if memcmp is None:
        raise Unmeasurable("this system's C library has no memcmp that can be called")
    if half <= 0:
        raise Unmeasurable(f"{size} bytes are too little for {threads} threads")
    start = time.perf_counter()
    pairs = size // threads // (2 * half)
    with ThreadPoolExecutor(threads) as pool:
        filled_by = start + patience * _FILL_BUDGET
        parts = list(pool.map(lambda _: _Part(half, pairs, filled_by), range(threads)))
        common = min(part.filled for part in parts)
        if common * 2 * half * threads < size // 3:
            filled = common * 2 * half * threads // MIB
            raise Unmeasurable(
                f"other work kept the processor busy: {filled} of {size // MIB} MiB were written in time, which caches hold"
            )
        best, pair, bettered = 0.0, 0, 0
        while not pair or time.perf_counter() < start + patience * _BUDGET:
            if patience == 1 and pair - bettered == _SETTLED:
                break
            before = time.perf_counter()
            for _ in pool.map(_Part.compare, parts, repeat(memcmp), repeat(pair % common)):
                pass
            pace = threads * 2 * half / max(time.perf_counter() - before, 1e-9)
            pair += 1
            if pace > best * _BETTER:
                bettered = pair
            best = max(best, pace)
    if not _plausible(best):
        raise Unmeasurable(f"{best:.3g} bytes/s is no bandwidth")
    return best


class _Part:
    """One thread's memory: pairs of equal blocks, really written (untouched pages would all be one cached page)."""

    def __init__(self, half: int, pairs: int, deadline: float) -> None:
        self.half = half
        self.filled = 0
        # Never closed, which a thread that still reads it (after Ctrl-C) would not survive: it goes with the last reference.
        self._map = mmap.mmap(-1, 2 * half * pairs)
        if sys.platform == "linux":
            with suppress(AttributeError, OSError, ValueError):  # large pages: written in a fifth of the time
                self._map.madvise(mmap.MADV_HUGEPAGE)
        self._view: Any = (ctypes.c_char * len(self._map)).from_buffer(self._map)
        self._start = ctypes.addressof(self._view)
        while self.filled < pairs and time.perf_counter() < deadline:
            ctypes.memset(self._start + self.filled * 2 * half, 0x5A, 2 * half)
            self.filled += 1

    def compare(self, memcmp: Callable[[int, int, int], int], pair: int) -> None:
        first = self._start + pair * 2 * self.half
        memcmp(first, first + self.half, self.half)


def buffer_bytes(memory: Memory, cache: int | None) -> int | None:
    """How much memory to read: beyond the caches, but a small part of what is free. None when that is too little."""
    wanted = min(_MOST, max(_LEAST, _CACHES * (cache or 0)))
    if memory.available is None:
        return None
    allowed = memory.available // _SHARE
    return min(wanted, allowed) if allowed >= _TOO_SMALL else None


def last_level_cache(root: Path = Path("/")) -> int | None:
    """Bytes of all last-level caches together, from Linux's sysfs; None elsewhere."""
    found: dict[str, int] = {}
    for index in root.glob("sys/devices/system/cpu/cpu[0-9]*/cache/index3"):
        try:
            text = (index / "size").read_text().strip()
            found[(index / "shared_cpu_list").read_text().strip()] = int(text.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return sum(found.values()) or None


def _memcmp() -> Callable[[int, int, int], int] | None:
    try:
        library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        function = library.memcmp
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    function.restype = ctypes.c_int
    return function


def _threads(cpu: Cpu) -> int:
    physical = cpu.cores_physical or os.cpu_count() or 1
    allowed = cpu.cores_available or physical
    return max(1, min(physical, math.ceil(allowed), _THREADS))


def busy_cores(cpu: Cpu) -> float:
    """How many threads wanted a core in the last minute, where that was enough to show in a measurement; else 0."""
    if not hasattr(os, "getloadavg"):
        return 0.0
    load = os.getloadavg()[0]
    return load if load > _BUSY * (cpu.cores_physical or os.cpu_count() or 1) else 0.0


# -- keeping ----------------------------------------------------------------------------------------------------


def _default_file() -> Path:
    from launchpad.paths import cache_dir

    return cache_dir() / "bandwidth.json"


def _key(cpu: Cpu, memory: Memory) -> str:
    """The same machine with the same cores allowed, since the same start (where the system tells)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "-"
    return "|".join(map(str, (cpu.model, cpu.cores_physical, cpu.cores_available, memory.total, boot)))


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The entries that are well formed and not too old; none from a missing or damaged file."""
    try:
        entries: Any = json.loads(file.read_bytes())["entries"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {key: entry for key, entry in entries.items() if _usable(entry, time.time())}


def _usable(entry: Any, now: float) -> bool:
    if not isinstance(entry, dict):
        return False
    bandwidth, when = entry.get("bandwidth"), entry.get("measured_at")
    kept_for = _KEPT_WHEN_BUSY if entry.get("busy") else _KEPT_FOR
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (bandwidth, when))
    return numbers and _plausible(bandwidth) and now - kept_for < when <= now  # type: ignore[arg-type,operator]


def _plausible(bandwidth: float) -> bool:
    return _PLAUSIBLE[0] <= bandwidth <= _PLAUSIBLE[1]


def _keep(file: Path, key: str, bandwidth: float, *, busy: bool) -> None:
    """Write atomically; a folder that cannot be written to only means measuring again."""
    entries = _read(file) | {key: {"bandwidth": bandwidth, "measured_at": time.time(), "busy": busy}}
    newest = sorted(entries.items(), key=lambda item: -item[1]["measured_at"])[:_KEPT_ENTRIES]
    text = json.dumps({"schema_version": 1, "entries": dict(newest)}, indent=1)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".bandwidth-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
