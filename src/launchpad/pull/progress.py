"""How far a pull is: counts bytes, measures the rate, and reports it about ten times a second."""

from __future__ import annotations

from collections import deque
from time import monotonic

from launchpad.events import Notice, PullProgress, Report

_INTERVAL = 0.1
_WINDOW = 5.0


class Progress:
    """The state of one pull of `size` bytes (None unknown) over all of its files."""

    def __init__(self, ref: str, size: int | None, report: Report) -> None:
        self.ref = ref
        self.size = size
        self._report = report
        self._base = 0
        self._current = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._last = float("-inf")

    @property
    def done(self) -> int:
        """Bytes of the whole pull that are on disk."""
        return self._base + self._current

    def at(self, current: int) -> None:
        """The file in work has `current` bytes on disk."""
        if current < self._current:
            self._marks.clear()  # it was restarted: a rate over the jump would be nonsense
        self._current = current
        now = monotonic()
        if now - self._last < _INTERVAL:
            return
        self._last = now
        self._marks.append((now, self.done))
        while now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        self._report(PullProgress(ref=self.ref, done=self.done, size=self.size, rate=self._rate()))

    def finish(self, size: int) -> None:
        """The file in work is complete with `size` bytes."""
        self._base += size
        self._current = 0
        self._marks.clear()

    def unpacked(self, current: int) -> None:
        """`current` bytes of a member are out of its archive: the bar stands, but the pull is alive."""
        now = monotonic()
        if now - self._last >= _INTERVAL:
            self._last = now
            self._report(PullProgress(ref=self.ref, done=self.done, size=self.size))

    def notice(self, message: str) -> None:
        """Tell the user one line."""
        self._report(Notice(message=message))

    def _rate(self) -> float | None:
        (begin, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / (end - begin) if end - begin > _INTERVAL else None
