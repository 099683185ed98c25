"""One connection bringing one part of a file to disk, as long as it moves."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from launchpad.errors import PullError
from launchpad.pull.address import Address, BrokenRange
from launchpad.pull.http import Unfit, excerpt, web_page
from launchpad.pull.job import Job
from launchpad.pull.options import PullOptions
from launchpad.pull.partial import Partial
from launchpad.pull.urls import public

if TYPE_CHECKING:
    import httpx2

_HTML = (b"<!doctype html", b"<html")
_LARGEST_WRITE = 1 << 20
_MOST_CHUNKS = 512  # that one gathering write takes
_LEAST_WRITE = 16 << 10
_LONGEST_KEPT = 0.5  # seconds that bytes stay unwritten on a slow line


class Part:
    """What one connection is to bring: `start` moves on, `stop` may be moved up by others. None: the file's end."""

    def __init__(self, start: int, stop: int | None) -> None:
        self.start = start
        self.stop = stop
        self.since = monotonic()
        self.begin = start
        self.response: httpx2.Response | None = None

    @property
    def left(self) -> int:
        """Bytes that it still has to bring, when that is known."""
        return 0 if self.stop is None else self.stop - self.start

    def rate(self) -> float:
        """Bytes/s so far."""
        return (self.start - self.begin) / max(monotonic() - self.since, 1e-6)

    def seconds_left(self) -> float:
        """How long it will take at its pace so far."""
        seconds = monotonic() - self.since
        brought = self.start - self.begin
        return self.left * seconds / brought if brought else self.left and float("inf")


class Writer:
    """Collects what arrives into writes that are worth their while, and small enough that a kill costs little."""

    def __init__(self, file: Partial, part: Part, most: int) -> None:
        self._file, self._part, self._most = file, part, most
        self._chunks: list[bytes] = []
        self._size = 0
        self._since = monotonic()

    @property
    def at(self) -> int:
        """Where the next byte goes."""
        return self._part.start + self._size

    def add(self, chunk: bytes) -> None:
        """Take in what arrived."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if (
            self._size + len(chunk) > self._most  # one more like it would be too much to lose
            or len(self._chunks) >= _MOST_CHUNKS
            or monotonic() - self._since > _LONGEST_KEPT
        ):
            self.flush()

    def flush(self) -> None:
        """Write what is here."""
        if self._chunks:
            chunks, size = self._chunks, self._size
            self._chunks, self._size = [], 0
            self._file.write_at(self._part.start, chunks)
            self._part.start += size
        self._since = monotonic()


def write_size(size: int | None, connections: int) -> int:
    """Bytes of one write: what all connections hold unwritten, and are just receiving, must stay below 1 % of the file."""
    if size is None:
        return _LEAST_WRITE
    return min(max(size // (256 * connections), _LEAST_WRITE), _LARGEST_WRITE)


def stream(file: Partial, job: Job, address: Address, part: Part, connections: int, stop: Event) -> None:
    """Bring `part` to disk with one request, or as much of it as the answer holds.

    An answer with the whole file is taken from its first byte on when this is the only connection. Raises `Unfit`,
    `BrokenRange`, `PullError`.
    """
    whole_is_welcome = connections == 1 or not address.takes_ranges
    to_the_end = connections == 1 and part.stop in (None, file.payload.size)
    with address.open(part.start, None if to_the_end else part.stop) as response:
        part.response = response
        continues, total = address.accept(response, part.start)
        if not continues:
            if not whole_is_welcome:
                raise BrokenRange("it sends the whole file instead of a part")
            if stop.is_set():
                return
            if file.have:
                file.reset()
            part.start = part.begin = 0
            part.stop = file.payload.size
        # A body of just the right length is read to its end, so that the connection can be used again.
        exact = part.stop if response.headers.get("Content-Length") == str(part.left) else None
        writer = Writer(file, part, write_size(file.payload.size, connections))
        try:
            for chunk in _steady(response, job.options, connections):
                if stop.is_set():
                    return
                if writer.at == 0 and chunk.lstrip()[:15].lower().startswith(_HTML):
                    raise Unfit(web_page(address.url, excerpt(chunk)))
                if part.stop is not None:
                    chunk = chunk[: max(0, part.stop - writer.at)]
                writer.add(chunk)
                job.throttle.take(len(chunk), stop)
                if part.stop is not None and writer.at >= part.stop != exact:
                    break  # whatever else it sends is not wanted
        finally:
            writer.flush()
    if file.payload.size is None and (total is None or part.start == total):
        file.ends_at(part.start)  # without a size from the metadata, the end of a whole answer must do


def _steady(response: httpx2.Response, options: PullOptions, connections: int) -> Iterator[bytes]:
    """The answer's chunks; raises `Unfit` when they trickle."""
    from launchpad.pull.wire import body  # not above: what only looks at files here needs no HTTP library

    floor: float = options.floor_rate
    if options.max_rate:  # a connection that is held back by us is no slow one
        floor = min(floor, options.max_rate / connections / 4)
    window, got = monotonic(), 0
    for chunk in body(response, options.stall_seconds):
        yield chunk
        got += len(chunk)
        now = monotonic()
        if now - window >= options.stall_seconds:
            if got < floor * (now - window):
                raise Unfit(_slow(str(response.url), got, now - window), retry=True)
            window, got = now, 0


def _slow(url: str, got: int, seconds: float) -> PullError:
    return PullError(
        f"{public(url)} has nearly stopped.",
        why=f"{got:,} bytes came in {seconds:.0f} s.",
        hint="Run the same command again later: it goes on from here.",
        retryable=True,
    )
