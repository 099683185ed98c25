"""The unfinished file of a download: what is written is what is hashed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from launchpad.pull.disk import full, is_full, open_private
from launchpad.pull.payload import Hasher, Payload

_CHUNK = 1 << 20


class Partial:
    """An open partial file: `offset` bytes are on disk and in the hash."""

    def __init__(self, path: Path, payload: Payload) -> None:
        self.path = path
        self.payload = payload
        self.offset = 0
        self._hash: Hasher = payload.hasher()
        self._file = open_private(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    @property
    def complete(self) -> bool:
        """All expected bytes are here (never true while the size is unknown)."""
        return self.offset == self.payload.size

    @property
    def hexdigest(self) -> str:
        """The hash of the bytes on disk."""
        return self._hash.hexdigest()

    @property
    def on_disk(self) -> int:
        """Bytes in the file, hashed or not."""
        return os.fstat(self._file).st_size

    def take_over(self, tick: Callable[[int], None]) -> None:
        """Hash what an earlier try left; start afresh when it left more than there should be."""
        size = self.payload.size
        if size is not None and self.on_disk > size:
            self.reset()
            return
        os.lseek(self._file, 0, os.SEEK_SET)
        while chunk := os.read(self._file, _CHUNK):
            self._hash.update(chunk)
            self.offset += len(chunk)
            tick(self.offset)

    def reset(self) -> None:
        """Throw away what is here."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._hash = self.payload.hasher()
        self.offset = 0

    def write(self, chunk: bytes) -> None:
        """Append `chunk`, but never past the expected size. Raises `DiskFull` with the missing bytes."""
        size = self.payload.size
        view = memoryview(chunk) if size is None else memoryview(chunk)[: size - self.offset]
        while view:
            try:
                written = os.write(self._file, view)
            except OSError as error:
                if not is_full(error):
                    raise
                missing = size - self.offset if size is not None else len(view)
                why = f"{self.offset:,} bytes of {self.payload.label} were stored and are kept."
                raise full(self.path.parent, missing, why) from error
            self._hash.update(view[:written])
            self.offset += written
            view = view[written:]

    def sync(self) -> None:
        """Flush the bytes to the disk, so that the name never outlives them."""
        os.fsync(self._file)
