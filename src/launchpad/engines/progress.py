"""Is a loading engine getting anywhere? A stall timer, not a fixed limit: large models on slow disks take long."""

from __future__ import annotations

import time
from collections.abc import Callable

from launchpad.engines.log import EngineLog

Phase = Callable[[], tuple[str, float]]  # what a loading engine does, in words, and how much of it is done

_LONGEST_GAP = 2.0


class StallTimer:
    """Seconds since the engine last made progress: a log line, more resident memory, or more bytes read.

    Time in which launchpad itself did not run (suspended, stopped) does not count: a gap between two looks counts
    for at most two seconds.
    """

    def __init__(self, log: EngineLog, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._pid = pid
        self._clock = clock
        self._seen = (-1, -1, -1)
        self._last_look = clock()
        self._stalled = 0.0

    def fraction(self, size: int | None) -> float | None:
        """How much of `size` bytes is in memory or has been read, as of the last look; None when that is not known."""
        held = max(self._seen[1:])
        return min(1.0, held / size) if size and held > 0 else None

    def look(self) -> float:
        """Look at the engine now; returns the seconds without progress."""
        now = self._clock()
        gap, self._last_look = now - self._last_look, now
        signs = (self._log.size(), *self._resources())
        if signs[0] != self._seen[0] or signs[1] > self._seen[1] or signs[2] > self._seen[2]:
            self._stalled = 0.0
            self._seen = (signs[0], max(signs[1], self._seen[1]), max(signs[2], self._seen[2]))
        else:
            self._stalled += min(gap, _LONGEST_GAP)
        return self._stalled

    def _resources(self) -> tuple[int, int]:
        """Resident bytes and bytes read, of the engine and everything below it."""
        import psutil

        resident = read = 0
        try:
            engine = psutil.Process(self._pid)
            processes = [engine, *engine.children(recursive=True)]
        except psutil.Error:
            return 0, 0
        for process in processes:
            try:
                resident += process.memory_info().rss
                counters = process.io_counters()
                read += getattr(counters, "read_chars", counters.read_bytes)
            except (psutil.Error, AttributeError):  # gone, or macOS, which does not count what is read
                continue
        return resident, read
