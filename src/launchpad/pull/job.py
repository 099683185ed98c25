"""What every connection of one pull shares."""

from __future__ import annotations

from threading import Event, Lock
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct

from launchpad.pull.options import PullOptions
from launchpad.pull.progress import Progress

if TYPE_CHECKING:
    import httpx2


class Throttle:
    """Keeps all connections together under `rate` bytes/s (None: no limit)."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._lock = Lock()
        self._free_at = monotonic()

    def take(self, size: int, stop: Event) -> None:
        """Wait until `size` more bytes are within the rate, or until `stop`."""
        if not self._rate:
            return
        with self._lock:
            now = monotonic()
            # Time in which nothing was fetched is not saved up for a burst.
            self._free_at = max(self._free_at, now - 0.1) + size / self._rate
            ahead = self._free_at - now
        if ahead > 0:
            stop.wait(ahead)


class Job(Struct, frozen=True, kw_only=True):
    """What every try of one pull shares. The token goes to `token_host` alone."""

    http: httpx2.Client
    options: PullOptions
    progress: Progress
    throttle: Throttle
    token: str | None = None
    token_host: str | None = None

    def __repr__(self) -> str:
        return "Job()"  # the token must not show up in a traceback
