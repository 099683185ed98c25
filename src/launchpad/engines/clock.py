"""Did the computer sleep? The clock that counts sleep runs ahead of the one that does not."""

from __future__ import annotations

import time
from collections.abc import Callable

SLEPT = 30.0  # s of difference that count as sleep


def asleep() -> float:
    """Seconds that this computer has slept since it was started, as far as the system tells."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        awake = time.clock_gettime(time.CLOCK_MONOTONIC)
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - awake)
    if hasattr(
        time, "CLOCK_UPTIME_RAW"
    ):  # macOS: CLOCK_MONOTONIC_RAW counts sleep, CLOCK_UPTIME_RAW does not
        return time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - time.clock_gettime(time.CLOCK_UPTIME_RAW)
    return 0.0


class SleepWatch:
    """Notices that the computer was suspended since the last look."""

    def __init__(self, clock: Callable[[], float] = asleep) -> None:
        self._clock = clock
        self._seen = clock()

    def look(self) -> float:
        """Seconds of sleep since the last look; 0 when it was too short to matter."""
        now = self._clock()
        slept, self._seen = now - self._seen, now
        return slept if slept > SLEPT else 0.0
