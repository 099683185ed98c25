"""What is known about an unfinished file: which parts are written, and the state of the hash at each piece's end.

One line for each fact, appended as it happens, so that a kill loses the last line at most:

    {"version":1,"key":"<digest>","size":123,"piece":8388608}
    ["w",start,stop,inode,mtime_ns,ctime_ns,length]     these bytes are written; the file looked like this afterwards
    ["l",inode,mtime_ns,ctime_ns,length]                it looks like this now, with no byte written
    ["h",offset,"<state>"]                              the SHA-256 after `offset` bytes, a multiple of the piece
    ["s",offset]                                        the bytes before `offset` are flushed to the disk
    ["b",offset]                                        the piece that ends there turned out to be damaged

A journal is never believed about content: whatever it says, the hash of the whole must come out right. What it may
save is reading again, and only when the file is as the last line left it.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from launchpad.pull.disk import explained, open_private
from launchpad.pull.extents import Gaps

SUFFIX = ".journal"
_VERSION = 1
_LARGEST = 1 << 26


class Look(Struct, frozen=True):
    """How a file looks from outside; a write by anybody changes it.

    File systems count time in ticks of some milliseconds, so what loses its end at once can only be told by its length.
    """

    inode: int
    mtime_ns: int
    ctime_ns: int
    length: int

    @classmethod
    def of(cls, descriptor: int) -> Look:
        """The look of an open file."""
        info = os.fstat(descriptor)
        return cls(info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size)


class Header(Struct, frozen=True, kw_only=True):
    """What the file is going to be."""

    key: str
    size: int | None
    piece: int
    version: int = _VERSION


class _Wrote(Struct, frozen=True, array_like=True, tag="w"):
    start: int
    stop: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    length: int = -1  # journals of the first versions have none: their files are read again


class _Looked(Struct, frozen=True, array_like=True, tag="l"):
    inode: int
    mtime_ns: int
    ctime_ns: int
    length: int = -1


class _Hashed(Struct, frozen=True, array_like=True, tag="h"):
    offset: int
    state: str


class _Synced(Struct, frozen=True, array_like=True, tag="s"):
    offset: int


class _Bad(Struct, frozen=True, array_like=True, tag="b"):
    offset: int


_LINE = msgspec.json.Decoder(_Wrote | _Looked | _Hashed | _Synced | _Bad)
_HEADER = msgspec.json.Decoder(Header)


class Memory:
    """What a journal tells: `gaps`, the hash `states` by offset, up to where they are `synced`, the last `look`."""

    def __init__(self, size: int | None) -> None:
        self.gaps = Gaps(size)
        self.states: dict[int, bytes] = {}
        self.synced = 0
        self.look: Look | None = None

    def newest(self) -> tuple[int, bytes] | None:
        """The last state before the first gap whose bytes are safely on the disk, with its offset."""
        offsets = [offset for offset in self.states if offset <= min(self.synced, self.gaps.first)]
        return (max(offsets), self.states[max(offsets)]) if offsets else None

    def keep_vouched(self, piece: int) -> None:
        """Forget all bytes but those at the front whose every piece has its state: they can be read and compared."""
        offset = 0
        while offset + piece in self.states and offset + piece <= self.gaps.first:
            offset += piece
        self.states = {stop: state for stop, state in self.states.items() if stop <= offset}
        if offset < self.gaps.size:
            self.gaps.dig(offset, self.gaps.size)

    def learn(self, line: bytes, piece: int) -> None:
        """Take in one line. Raises `ValueError` or `msgspec.MsgspecError` for one that is not whole."""
        match _LINE.decode(line):
            case _Wrote(start, stop, inode, mtime_ns, ctime_ns, length) if (
                0 <= start < stop <= self.gaps.size
            ):
                self.gaps.fill(start, stop)
                self.look = Look(inode, mtime_ns, ctime_ns, length)
            case _Looked(inode, mtime_ns, ctime_ns, length):
                self.look = Look(inode, mtime_ns, ctime_ns, length)
            case _Hashed(offset, state) if (
                0 < offset <= self.gaps.size and offset % piece == 0 and len(state) == 64
            ):
                self.states[offset] = bytes.fromhex(state)
            case _Synced(offset) if 0 <= offset <= self.gaps.size:
                self.synced = offset
            case _Bad(offset) if piece <= offset < self.gaps.size + piece:
                self.gaps.dig(offset - piece, min(offset, self.gaps.size))
                self.states.pop(offset, None)
                self.synced = min(self.synced, offset - piece)
            case _:
                raise ValueError("out of range")


class Journal:
    """An open journal. It belongs to whoever holds the lock of the file."""

    def __init__(self, partial: Path, header: Header) -> None:
        self._header = header
        self._path = place(partial)
        self._one_at_a_time = Lock()
        self._file = open_private(self._path)
        with explained(self._path):
            self.memory = self._recall()

    def close(self) -> None:
        """Close the file; what was said stays."""
        os.close(self._file)

    def restart(self) -> None:
        """Forget everything: the file is empty again."""
        self.memory = Memory(self._header.size)
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._say(self._header)

    def wrote(self, start: int, stop: int, look: Look) -> None:
        """These bytes are in the file."""
        self._say(_Wrote(start, stop, look.inode, look.mtime_ns, look.ctime_ns, look.length))

    def looks(self, look: Look) -> None:
        """The file looks different, though no byte was written."""
        self._say(_Looked(look.inode, look.mtime_ns, look.ctime_ns, look.length))

    def hashed(self, offset: int, state: bytes) -> None:
        """The SHA-256 of the first `offset` bytes has this state."""
        self._say(_Hashed(offset, state.hex()))

    def synced(self, offset: int) -> None:
        """The first `offset` bytes would survive a power cut."""
        self._say(_Synced(offset))

    def bad(self, offset: int) -> None:
        """The piece that ends at `offset` must be fetched again."""
        self._say(_Bad(offset))

    def _say(self, fact: Struct) -> None:
        line = msgspec.json.encode(fact) + b"\n"
        with explained(self._path), self._one_at_a_time:
            while line:
                line = line[os.write(self._file, line) :]

    def _recall(self) -> Memory | None:
        """What an earlier pull of the same bytes noted; None (and an empty journal) when there is nothing of use."""
        size = os.fstat(self._file).st_size
        content = os.read(self._file, size) if 0 < size <= _LARGEST else b""
        memory, used = read(content, self._header)
        if memory is None:
            self.restart()
            return None
        os.ftruncate(self._file, used)  # a line that was cut off must not spoil the next one
        os.lseek(self._file, used, os.SEEK_SET)
        return memory


def place(partial: Path) -> Path:
    """Where the journal of a partial file lies."""
    return partial.with_name(partial.name + SUFFIX)


def forget(partial: Path) -> None:
    """Remove the journal of a file that is complete or gone."""
    with explained(place(partial)):
        place(partial).unlink(missing_ok=True)


def read_header(line: bytes) -> Header:
    """The first line of a journal. Raises `ValueError` or `msgspec.MsgspecError` for what is none."""
    header = _HEADER.decode(line)
    if header.version != _VERSION or header.piece <= 0:
        raise ValueError("another version")
    return header


def read(content: bytes, expected: Header | None = None) -> tuple[Memory | None, int]:
    """What a journal's bytes tell up to the first line that is not whole, and where that begins."""
    lines = content.split(b"\n")[:-1]
    try:
        header = read_header(lines[0])
    except (IndexError, msgspec.MsgspecError, ValueError, RecursionError):
        return None, 0
    if expected and header != expected:
        return None, 0
    memory, used = Memory(header.size), len(lines[0]) + 1
    for line in lines[1:]:
        try:
            memory.learn(line, header.piece)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            break
        used += len(line) + 1
    return memory, used


def have(partial: Path) -> int:
    """How many bytes of an unfinished file are here, as its journal tells; its length when there is none."""
    try:
        with place(partial).open("rb") as file:
            memory, _ = read(file.read(_LARGEST))
    except OSError:
        memory = None
    return memory.gaps.have if memory else length_of(partial)


def length_of(partial: Path) -> int:
    """The length of an unfinished file; 0 when there is none."""
    try:
        return partial.lstat().st_size
    except OSError:
        return 0
