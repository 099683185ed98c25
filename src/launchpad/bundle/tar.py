"""The part of the tar format that a bundle uses: plain files, in order, each as one header block and its bytes.

Python's `tarfile` reads far more than that: links, devices, sparse files, headers that claim gigabytes of extended
names. A bundle may come from anybody, so nothing of it is interpreted here but one block of 512 bytes at a time.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from launchpad.errors import RefusedError, UsageError, VerifyError
from launchpad.pull.names import quote

BLOCK = 512
CHUNK = 1 << 20
_LONGEST_END = 10_240  # tar pads its end to a record of this size


def header(name: str, size: int) -> bytes:
    """The header of a plain file: no time, no owner, so that equal content makes equal bundles."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What fills a member's last block."""
    return bytes(-size % BLOCK)


END = bytes(2 * BLOCK)


class Reader:
    """Reads members that are known beforehand. Any other is a reason to refuse the whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def first(self, name: str, most: int) -> bytes:
        """The whole first member, which must be called `name`. Raises `UsageError` when this is no bundle."""
        block = self._stream.read(BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
            raise _no_bundle() from error
        if info.name != name or info.type != tarfile.REGTYPE:
            raise _no_bundle()
        if not 0 <= info.size <= most:
            raise _refused(f"its record claims to have {info.size:,} bytes")
        return b"".join(self._bytes(info.size))

    def member(self, name: str, size: int) -> Iterator[bytes]:
        """The bytes of the next member, which must be a plain file called `name` of this size."""
        block = self._stream.read(BLOCK)
        if len(block) < BLOCK:
            raise _cut()
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
            raise _refused(f"a header is damaged where {name} belongs") from error
        if (info.name, info.type, info.size) != (name, tarfile.REGTYPE, size):
            raise _refused(
                f"it holds {quote(info.name)} ({info.size:,} bytes) where {name} ({size:,}) belongs"
            )
        return self._bytes(size)

    def _bytes(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._stream.read(min(CHUNK, left))
            if not chunk:
                raise _cut()
            left -= len(chunk)
            yield chunk
        if len(self._stream.read(-size % BLOCK)) < -size % BLOCK:
            raise _cut()

    def end(self) -> None:
        """Nothing but the padding of a tar file may follow."""
        rest = self._stream.read(_LONGEST_END + 1)
        if len(rest) < len(END):
            raise _cut()
        if len(rest) > _LONGEST_END or any(rest):
            raise _refused("it goes on after its last file")


def _no_bundle() -> UsageError:
    return UsageError(
        "This is not a bundle of launchpad.",
        why="It does not begin with a bundle's record.",
        hint="`launchpad bundle export MODEL FILE` makes one.",
    )


def _cut() -> VerifyError:
    return VerifyError(
        "The bundle is not whole.",
        why="It ends before its last file does.",
        hint="Copy it again; what was verified so far is kept.",
    )


def _refused(fault: str) -> RefusedError:
    return RefusedError(
        "This bundle is refused.",
        why=f"{fault[0].upper()}{fault[1:]}.",
        hint="Do not use it, and ask whoever made it.",
    )
