"""The connections that bring one file from one address: each takes the next piece that nobody has.

It begins with one. When that one has shown that the server takes ranges, others join, one after the other, as long as
the line is not busy enough. Pieces are taken from the front, within a window, because the hash follows in order.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from threading import Condition, Event
from time import monotonic
from typing import TYPE_CHECKING

from launchpad.pull.address import Address
from launchpad.pull.extents import ENDLESS
from launchpad.pull.http import Unfit
from launchpad.pull.job import Job
from launchpad.pull.partial import Partial
from launchpad.pull.stream import Part, stream
from launchpad.pull.threads import start_thread

if TYPE_CHECKING:
    from threading import Thread

_PROGRESS = 64 << 10  # a try that brings less than this counts as a try without progress
_PIECES_AHEAD = 8
_JOIN_EVERY = 0.25  # seconds between one connection more and the next
_FAST = 300 << 20  # bytes/s; more connections would only cost
_LONGEST_STRETCH = 16  # pieces that a connection as fast as that asks for at once
_SLOW = 2.0  # seconds; what takes longer is shared with who has nothing to do


class Crew:
    """Brings what `file` misses. One per address and attempt."""

    def __init__(self, file: Partial, job: Job, address: Address, most: int) -> None:
        self.file, self.job, self.address, self.most = file, job, address, most
        self.stop = Event()
        self._changed = Condition()
        self._parts: list[Part] = []  # in work
        self._threads: list[Thread] = []
        self._active = 0
        self._failure: BaseException | None = None
        self._notices: list[str] = []
        self._fully_hired = False

    def run(self) -> None:
        """Return when nothing is missing any more, or raise what ended the transfer."""
        begin, first = monotonic(), self.file.have
        self._hire()
        try:
            while self._busy():
                self._tell()
                self._grow(begin, first)
        finally:
            self._end()
            self._tell()
        if self._failure:
            raise self._failure

    # -- in the main thread -----------------------------------------------------------------------------------------

    def _busy(self) -> bool:
        with self._changed:
            if self._active and not self._failure:
                self._changed.wait(0.05)
            return bool(self._active and not self._failure)

    def _tell(self) -> None:
        with self._changed:
            notices, self._notices = self._notices, []
        for notice in notices:
            self.job.progress.notice(notice)
        self.job.progress.at(self.file.have)

    def _grow(self, begin: float, first: int) -> None:
        """One connection more, when it is time and there is something to do for it."""
        if self._fully_hired or self.most == 1 or not self.address.takes_ranges:
            return
        seconds = monotonic() - begin
        if seconds < _JOIN_EVERY * len(self._threads) or len(self._threads) >= self.most:
            return
        if (self.file.have - first) / seconds < _FAST:
            self._hire()

    def _hire(self) -> None:
        with self._changed:
            self._active += 1
        try:
            self._threads.append(start_thread(self._work))
        except BaseException:
            self._active -= 1
            if not self._threads:
                raise
            self._fully_hired = True  # those who are here must do

    def _end(self) -> None:
        """Make all connections stop, also those that wait for a byte."""
        self.stop.set()
        with self._changed:
            self._changed.notify_all()
            parts = list(self._parts)
        for part in parts:
            _hang_up(part)
        deadline = monotonic() + 1.0  # who has not even connected yet is left behind
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    # -- in the connections' threads --------------------------------------------------------------------------------

    def _work(self) -> None:
        retired, stretch = False, 1
        try:
            while not retired and (part := self._take(stretch)) is not None:
                retired = not self._bring(part)
                stretch = min(2 * stretch, _LONGEST_STRETCH) if part.rate() > _FAST else 1
        except BaseException as error:
            with self._changed:
                self._failure = self._failure or error
        finally:
            with self._changed:
                self._active -= not retired
                self._changed.notify_all()

    def _bring(self, part: Part) -> bool:
        """Try until the part is here; raise when it does not get on. False: the others can do that better."""
        tries = 0
        try:
            while not self.stop.is_set() and not self._is_here(part):
                before = part.start
                try:
                    stream(self.file, self.job, self.address, part, self.most, self.stop)
                    if not self.stop.is_set() and not self._is_here(part):
                        fault = f"it ends after {part.start:,} bytes, too early"
                        raise Unfit(self.address.wrong(fault), retry=True)
                except Unfit as unfit:
                    tries = 1 if part.start - before >= _PROGRESS else tries + 1
                    troubled = not unfit.retry or unfit.after is not None or tries > 1
                    if troubled and self._may_retire():
                        return False
                    if not unfit.retry or tries > self.job.options.retries:
                        raise
                    self._wait(unfit, tries)
            return True
        finally:
            with self._changed:
                part.response = None
                self._parts.remove(part)
                self._changed.notify_all()

    def _is_here(self, part: Part) -> bool:
        return self.file.complete if part.stop is None else part.left <= 0

    def _may_retire(self) -> bool:
        """Leave the work to the others, if there are any: a server that is asked for less may do better."""
        with self._changed:
            if self._active < 2 or self._failure:
                return False
            self._active -= 1
            self._fully_hired = True
            return True

    def _take(self, stretch: int) -> Part | None:
        """The next part to bring, of `stretch` pieces at most; None when there is nothing left to do."""
        with self._changed:
            while not self.stop.is_set() and not self._failure:
                part = self._free_part(stretch) or self._share_of_the_slowest()
                if part:
                    self._parts.append(part)
                    return part
                if not self._parts:
                    return None
                self._changed.wait(0.1)  # what others have in work may come back
            return None

    def _free_part(self, stretch: int) -> Part | None:
        missing = self.file.missing()
        if self.most == 1 or self.address.takes_ranges is False:
            start, stop = missing[0] if missing and not self._parts else (0, 0)
            return Part(start, None if stop == ENDLESS else stop) if start < stop else None
        piece = self.file.piece
        if self._parts:
            stretch = 1  # what one takes in one go, the hash of the others' would have to wait for
        limit = (self.file.front // piece + _PIECES_AHEAD) * piece
        for start, stop in missing:
            for busy in sorted(self._parts, key=lambda part: part.start):
                if busy.stop is not None and busy.start <= start < busy.stop:
                    start = busy.stop
                elif start < busy.start:
                    stop = min(stop, busy.start)
            stop = min(stop, (start // piece + stretch) * piece)
            if start < min(stop, limit):
                return Part(start, stop)
        return None

    def _share_of_the_slowest(self) -> Part | None:
        """The second half of what another connection is slow with."""
        slow = max(self._parts, key=Part.seconds_left, default=None)
        if slow is None or slow.stop is None or slow.left < 4 * _PROGRESS or slow.seconds_left() < _SLOW:
            return None
        if monotonic() - slow.since < _SLOW:
            return None
        middle, stop = slow.start + slow.left // 2, slow.stop
        slow.stop = middle
        return Part(middle, stop)

    def _wait(self, unfit: Unfit, tries: int) -> None:
        options = self.job.options
        backoff = min(options.backoff_seconds * 2 ** (tries - 1), options.longest_wait)
        # Jitter keeps a fleet of launchers from coming back in step.
        seconds = unfit.after if unfit.after is not None else backoff * random.uniform(0.75, 1.25)  # noqa: S311
        if seconds >= 1:
            with self._changed:
                self._notices.append(f"{unfit.error.why or unfit.error.what} Next try in {seconds:.0f} s.")
        self.stop.wait(seconds)


def _hang_up(part: Part) -> None:
    """Wake the thread that waits for a byte: closing a socket would not, on Linux."""
    with suppress(Exception):  # it may be closed already, or never have been open
        assert part.response is not None
        connection = part.response.extensions["network_stream"].get_extra_info("socket")
        connection.shutdown(socket.SHUT_RDWR)
