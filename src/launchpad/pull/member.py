"""The beginning of a member of a remote zip archive (a wheel is one): its directory and then its first bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from launchpad.errors import PullError
from launchpad.plugins.spec import RemoteFile
from launchpad.pull.names import quote

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 18  # bytes of one request
MOST_BYTES = 1 << 26  # of the archive, over all requests

Read = Callable[[int, int], bytes]


class Member:
    """Reads a member from its first byte on. `size` in bytes, as the archive's directory states it."""

    def __init__(self, read: Read, file: RemoteFile) -> None:
        self._file = file
        with _zip_errors(file):
            self._archive = zipfile.ZipFile(io.BufferedReader(_Ranged(read, file.archive_size or 0), BLOCK))
            info = self._archive.getinfo(file.member or "")
            self.size = info.file_size
            self._stream: IO[bytes] = self._archive.open(info)
        if file.size is not None and file.size != self.size:
            raise _bad(file, f"it has {self.size:,} bytes, and {file.size:,} were promised")

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start ≤ i < stop, fewer where it ends before. Raises `PullError`."""
        with _zip_errors(self._file):
            if self._stream.tell() != start:
                self._stream.seek(start)
            return self._stream.read(max(0, stop - start))


class _Ranged(io.RawIOBase):
    """A remote file as the zip library wants it. An archive that makes it read too much is refused."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._size = read, size
        self._at = self._total = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        stop = min(self._at + len(view), self._size)
        if stop <= self._at:
            return 0
        self._total += stop - self._at
        if self._total > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes would have to be read")
        data = self._read(self._at, stop)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _zip_errors(file: RemoteFile) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise _bad(file, "the archive does not have it") from error
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    ) as error:  # fmt: skip
        raise _bad(file, f"the archive is damaged or of an unknown kind: {quote(str(error))}") from error


def _bad(file: RemoteFile, why: str) -> PullError:
    return PullError(f"{quote(file.path)} cannot be looked into.", why=f"{why[0].upper()}{why[1:]}.")
