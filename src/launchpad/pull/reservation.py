"""Having the system set the space of a file aside: at once where that is quick, else beside what arrives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from launchpad.errors import PullError
from launchpad.pull.disk import reserve
from launchpad.pull.threads import start_thread

if TYPE_CHECKING:
    from threading import Thread

_STEP = 16 << 20
_QUICK = 0.002  # seconds for one step; a file system in memory takes longer, because it hands out each page
_SHARE = 0.1  # of the time, for reserving beside a transfer: nothing can be written to the file meanwhile


class Reservation:
    """The space for `size` bytes of an open file. `done` is called after each step, `failed` with what goes wrong later."""

    def __init__(
        self,
        descriptor: int,
        folder: Path,
        size: int,
        done: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._descriptor, self._folder, self._size = descriptor, folder, size
        self._done, self._failed = done, failed
        self._ended = Event()
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Take the first step, and the others in a thread unless that was quick. Raises `DiskFull`."""
        since = monotonic()
        if not self._take(0, _STEP) or self._size <= _STEP:
            return
        if monotonic() - since < _QUICK:
            self._take(_STEP, self._size)
            return
        with suppress(PullError):  # without a thread, the look at the free space before must do
            self._thread = start_thread(self._go_on)

    def end(self) -> None:
        """Go no further. Nothing happens to the file after this."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _take(self, start: int, stop: int) -> bool:
        """Whether the system did anything."""
        if not reserve(self._descriptor, self._folder, self._size, start, min(stop, self._size)):
            return False
        self._done()
        return True

    def _go_on(self) -> None:
        try:
            for start in range(_STEP, self._size, _STEP):
                since = monotonic()
                if not self._take(start, start + _STEP):
                    return
                if self._ended.wait((monotonic() - since) * (1 / _SHARE - 1)):
                    return
        except BaseException as error:
            self._failed(error)
