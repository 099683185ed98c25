"""The unfinished file of a download: parts arrive in any order from several threads, and are hashed as they arrive.

SHA-256 has one order only. A thread of its own hashes what lies at the front; what came early waits in memory, at most
`_WINDOW` bytes of it. The file is read only for what an earlier run left and did not hash, or did not see safely on
the disk; see docs/explanation/pull.md.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Condition, Lock
from types import TracebackType
from typing import Self

from launchpad.errors import DiskFull, LaunchpadError, PullError
from launchpad.pull.disk import explained, full, is_full, open_private, open_same
from launchpad.pull.extents import Gaps
from launchpad.pull.journal import Header, Journal, Look, Memory
from launchpad.pull.payload import Hasher, Payload
from launchpad.pull.reservation import Reservation
from launchpad.pull.sha256 import Sha256, available
from launchpad.pull.threads import start_thread

PIECE = 8 << 20  # the hash's state is kept after each of these
_WINDOW = 64 << 20
_READ = 1 << 20
_SYNC_EVERY = 256 << 20
_GATHERS = hasattr(os, "writev")


class Partial:
    """An open partial file. `gaps` says what is missing; `write_at` may be called by several threads."""

    def __init__(
        self, path: Path, payload: Payload, *, piece: int = PIECE, keep: bool = True, judged: bool = True
    ) -> None:
        """Open or create it. Without `keep`, nothing is noted for a later run.

        Not `judged`: nobody knows the hash of the whole, so that of an earlier run's bytes only those stay whose own hash
        is known.
        """
        self.path = path
        self.payload = payload
        self.piece = piece
        self.judged = judged
        self.damaged = 0  # pieces of an earlier run that were found to be wrong
        self._file = open_private(path)
        self._reader = open_same(path, self._file)
        header = Header(key=payload.key, size=payload.size, piece=piece)
        self._journal = Journal(path, header) if keep else None
        self._writing = Lock()  # guards the files; taken before `_changed`, never after it
        self._changed = Condition()  # guards everything below
        self._forget_all()
        self._failure: BaseException | None = None
        self._closed = False
        with explained(path):
            self._take_over(self._journal.memory if self._journal else None)
        # Bytes of an earlier run that have to be read, because their hash is not known.
        self.to_read = self.gaps.have - self._hashed
        self._hashing = start_thread(self._hash_on)

    def _forget_all(self) -> None:
        self.gaps = Gaps(self.payload.size)
        self._waiting: dict[int, list[bytes]] = {}
        self._epoch = getattr(self, "_epoch", 0) + 1
        self._told: dict[int, bytes] = {}  # states of an earlier run, to compare with
        self._old_end = 0  # before this, bytes may be of an earlier run
        self._begin_hash(0, self.payload.hasher())
        self._synced, self._syncing = 0, False

    def _begin_hash(self, offset: int, hasher: Hasher) -> None:
        self._hashed, self._hash = offset, hasher
        self._piece_start: tuple[int, Hasher] = (offset, hasher.copy())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writing, self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._reservation:
            self._reservation.end()
        self._hashing.join()
        with self._writing:
            os.close(self._file)
            os.close(self._reader)
            if self._journal:
                self._journal.close()

    # -- what is here -----------------------------------------------------------------------------------------------

    @property
    def have(self) -> int:
        """Bytes that are in the file."""
        with self._changed:
            return self.gaps.have

    @property
    def allocated(self) -> int:
        """Bytes that the disk has given to the file already, reserved ones included."""
        info = os.fstat(self._file)
        return min(max(getattr(info, "st_blocks", 0) * 512, self.have), self.payload.size or 0)

    @property
    def front(self) -> int:
        """The first missing byte."""
        with self._changed:
            return self.gaps.first

    @property
    def complete(self) -> bool:
        """All expected bytes are here (never true while the size is unknown)."""
        with self._changed:
            return not list(self.gaps)

    def hexdigest(self) -> str | None:
        """The hash of the whole, once all of it is hashed; None when parts turned out to be missing."""
        with self._changed:
            while self._hashed < self.gaps.size and not list(self.gaps):
                self._check()
                self._changed.wait(0.2)
            self._check()
            return None if list(self.gaps) else self._hash.hexdigest()

    def missing(self) -> list[tuple[int, int]]:
        """The missing parts, in order."""
        with self._changed:
            self._check()
            return list(self.gaps)

    def _take_over(self, memory: Memory | None) -> None:
        """Go on from what an earlier run left: by its journal, or with all bytes of the file in doubt."""
        size, here = self.payload.size, os.fstat(self._file).st_size
        if memory and not self.judged:
            memory.keep_vouched(self.piece)
        if memory is None:
            if not self.judged or (size is not None and here > size):
                os.ftruncate(self._file, 0)
            elif here:
                self.gaps.fill(0, here)
                self._old_end = here
                self._note(0, here)
            return
        self.gaps, self._told = memory.gaps, memory.states
        if here < self.gaps.size:
            self.gaps.dig(here, self.gaps.size)  # else what is written behind would make zeros of a lost end
        self._old_end = max([0, *(stop for _, stop in _complement(self.gaps))])
        if here > self.gaps.size:
            os.ftruncate(self._file, self.gaps.size)
        known = memory.look == Look.of(self._file) and not self.payload.git and available()
        if known and (kept := memory.newest()):
            offset, state = kept
            self._begin_hash(offset, Sha256(state, offset))
            self._synced = offset

    # -- writing ----------------------------------------------------------------------------------------------------

    def reserve(self) -> None:
        """Have the system set the space aside, where it can. Raises `DiskFull`, and so may any later call."""
        if self.payload.size:
            self._reservation = Reservation(
                self._file, self.path.parent, self.payload.size, self._look_again, self._fail
            )
            self._reservation.begin()

    def _look_again(self) -> None:
        with self._writing:
            if self._journal:
                self._journal.looks(Look.of(self._file))

    def write_at(self, start: int, chunks: list[bytes]) -> None:
        """Write `chunks`, one after the other, from `start` on. Raises `DiskFull` with the missing bytes.

        What is here already is not written again: the hash knows the bytes that came first.
        """
        with self._writing:
            self._check_open()
            chunks = _cut(chunks, self._missing_from(start))
            with explained(self.path):
                written, error = self._put(start, chunks)
            stop = start + written
            if written:
                self._keep(start, stop, _cut(chunks, written))
            if error:
                raise self._full(sum(map(len, chunks)) - written) from error
        with self._changed:
            # Who is faster than the hash waits for it, unless the hash has an earlier run's bytes to go through.
            ahead = _WINDOW if self.judged else self.piece  # a later run has no use for what has no hash
            while stop - self._hashed > ahead and self._old_end <= self._hashed and self._can_go_on():
                self._check()
                self._changed.wait(0.2)

    def _missing_from(self, start: int) -> int:
        with self._changed:
            return next((end - start for begin, end in self.gaps if begin <= start < end), 0)

    def write(self, chunk: bytes) -> None:
        """Append `chunk` to what is here from the beginning on, but never past the expected size."""
        self.write_at(self.front, [chunk])

    def ends_at(self, size: int) -> None:
        """The file turns out to have `size` bytes."""
        with self._changed:
            self.gaps.fill(size, self.gaps.size)
            self.gaps.size = size
            self._changed.notify_all()

    def reset(self) -> None:
        """Throw away what is here."""
        with self._writing, self._changed:
            self._check_open()
            with explained(self.path):
                os.ftruncate(self._file, 0)
            if self._journal:
                self._journal.restart()
            self._forget_all()
            self._changed.notify_all()

    def sync(self) -> None:
        """Flush the bytes to the disk, so that the name never outlives them."""
        with explained(self.path):
            os.fsync(self._file)

    _reservation: Reservation | None = None

    def _put(self, start: int, chunks: list[bytes]) -> tuple[int, OSError | None]:
        """Write; say how many bytes the disk took, and the error when it is full."""
        size, written = sum(map(len, chunks)), 0
        try:
            os.lseek(self._file, start, os.SEEK_SET)
            if _GATHERS and len(chunks) > 1:
                written = os.writev(self._file, chunks)
            left = memoryview(b"".join(chunks) if written < size else b"")[written:]
            while left:
                count = os.write(self._file, left)
                written, left = written + count, left[count:]
        except OSError as error:
            if is_full(error):
                return written, error
            raise
        return written, None

    def _keep(self, start: int, stop: int, chunks: list[bytes]) -> None:
        self._note(start, stop)
        with self._changed:
            self._check()
            self.gaps.fill(start, stop)
            if 0 <= start - self._hashed <= _WINDOW:
                self._waiting[start] = chunks
            self._changed.notify_all()

    def _full(self, missing: int) -> DiskFull:
        have, size = self.have, self.payload.size
        why = f"{have:,} bytes of {self.payload.label} were stored and are kept."
        return full(self.path.parent, missing if size is None else size - have, why)

    def _note(self, start: int, stop: int) -> None:
        if self._journal:
            self._journal.wrote(start, stop, Look.of(self._file))

    def _check_open(self) -> None:
        if self._closed:
            raise PullError(f"The transfer of {self.payload.label} has ended.")

    # -- hashing ----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._failure:
            raise self._failure

    def _can_go_on(self) -> bool:
        return self.gaps.here_until(self._hashed) > self._hashed

    def _hash_on(self) -> None:
        try:
            while self._hash_some():
                pass
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = error if isinstance(error, LaunchpadError) else _broken(self.path, error)
            self._changed.notify_all()

    def _hash_some(self) -> bool:
        """Hash what lies at the front, up to the end of a piece; False when the file is closed."""
        with self._changed:
            while not self._closed and not self._can_go_on():
                self._changed.wait()
            if self._closed:
                return False
            epoch, begin, hasher = self._epoch, self._hashed, self._hash
            end = min((begin // self.piece + 1) * self.piece, self.gaps.size)
            chunks = self._next(begin, end)
            read_until = min(end, begin + _READ, self.gaps.here_until(begin), *self._waiting)
        from_disk = not chunks
        if from_disk:
            chunks = [self._read(begin, read_until - begin)]
        for chunk in chunks:
            hasher.update(chunk)
        stop = begin + sum(map(len, chunks))
        with self._changed:
            if epoch == self._epoch:  # else it was all thrown away meanwhile
                if from_disk and stop < read_until:
                    self._dig()  # the file is shorter than its journal says
                else:
                    self._hashed = stop
                    self._at_boundary()
                self._changed.notify_all()
        return True

    def _next(self, begin: int, end: int) -> list[bytes]:
        """What waits in memory for its turn, from `begin` to `end` at most; empty when it must be read."""
        chunks = self._waiting.pop(begin, [])
        if begin + sum(map(len, chunks)) > end:  # it reaches into the next piece: the rest waits
            whole = b"".join(chunks)
            chunks, self._waiting[end] = [whole[: end - begin]], [whole[end - begin :]]
        return chunks

    def _read(self, start: int, size: int) -> bytes:
        with explained(self.path):
            os.lseek(self._reader, start, os.SEEK_SET)
            return os.read(self._reader, size)

    def _at_boundary(self) -> None:
        """At the end of a piece: compare with what an earlier run noted, and note it."""
        offset, hasher = self._hashed, self._hash
        if offset % self.piece or not offset or not isinstance(hasher, Sha256):
            return
        state = hasher.state()
        told = self._told.pop(offset, None)
        if told is not None and told != state and offset <= self._old_end:
            self._dig()
            return
        self._piece_start = (offset, hasher.copy())
        if self._journal and told is None:
            self._journal.hashed(offset, state)
        if offset - self._synced >= _SYNC_EVERY and not self._syncing:
            self._syncing = True
            start_thread(partial(self._sync_to, offset, self._epoch))

    def _dig(self) -> None:
        """The piece in work is damaged: it goes back to the missing ones."""
        begin, hasher = self._piece_start
        end = min(begin + self.piece, self.gaps.size)
        self.damaged += 1
        self.gaps.dig(begin, end)
        self._told.pop(end, None)
        self._begin_hash(begin, hasher.copy())
        if self._journal:
            self._journal.bad(begin + self.piece)

    def _sync_to(self, offset: int, epoch: int) -> None:
        """Flush, and note that the state at `offset` can be trusted from now on."""
        with self._writing:
            if self._closed:
                return
            descriptor = os.dup(self._file)
        try:
            os.fsync(descriptor)
        except OSError:
            return
        finally:
            os.close(descriptor)
        with (
            self._writing,
            self._changed,
            suppress(LaunchpadError),
        ):  # then the next run reads more, and that is all
            if self._journal and epoch == self._epoch and not self._closed:
                self._journal.synced(offset)
                self._synced, self._syncing = offset, False
                self._changed.notify_all()


def _cut(chunks: list[bytes], size: int) -> list[bytes]:
    """The first `size` bytes of `chunks`."""
    return chunks if sum(map(len, chunks)) <= size else [data] if (data := b"".join(chunks)[:size]) else []


def _complement(gaps: Gaps) -> list[tuple[int, int]]:
    """What is not missing."""
    edges = [0, *(edge for gap in gaps for edge in gap), gaps.size]
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


def _broken(path: Path, error: BaseException) -> PullError:
    return PullError(
        f"The bytes of {path.name} cannot be checked.",
        why=f"{type(error).__name__}: {error}.",
        hint="Run the same command again: it goes on from here.",
    )
