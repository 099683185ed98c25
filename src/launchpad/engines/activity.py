"""Does an engine work, whoever asked it to? By its processor time: no engine needs to tell, and none is disturbed."""

from __future__ import annotations

import time

BUSY = (
    0.05  # share of one core from which on an engine counts as working; idle ones take less than a hundredth
)


class Activity:
    """Processor time of an engine and everything below it, from look to look."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._last = (time.monotonic(), self._spent())

    def seen(self) -> bool:
        """Whether it worked since the last look."""
        now, spent = time.monotonic(), self._spent()
        (before, had), self._last = self._last, (now, spent)
        return spent - had > BUSY * (now - before)

    def _spent(self) -> float:
        import psutil

        try:
            engine = psutil.Process(self._pid)
            family = [engine, *engine.children(recursive=True)]
        except psutil.Error:
            return 0.0
        total = 0.0
        for process in family:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
        return total
