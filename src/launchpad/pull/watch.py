"""How far another launcher is with a file: asked for five times a second, so only what its journal grew by is read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from launchpad.pull import journal


class Watch:
    """Reads along in the journal of an unfinished file that somebody else works on."""

    def __init__(self, partial: Path) -> None:
        self._partial = partial
        self._forget()

    def _forget(self) -> None:
        self._at, self._piece = 0, 0  # the first byte of the journal that was not read; what its header says
        self._memory: journal.Memory | None = None

    def have(self) -> int:
        """How many bytes of the file are here."""
        try:
            with journal.place(self._partial).open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._at:
                    self._forget()  # it began anew
                file.seek(self._at)
                self._learn(file.read())
        except (OSError, ValueError, msgspec.MsgspecError):
            self._forget()  # it is gone, or another one
        return self._memory.gaps.have if self._memory else journal.length_of(self._partial)

    def _learn(self, content: bytes) -> None:
        whole = content[: content.rfind(b"\n") + 1]  # the last line may still be in writing
        lines = whole.splitlines()
        if lines and self._memory is None:
            header = journal.read_header(lines.pop(0))
            self._memory, self._piece = journal.Memory(header.size), header.piece
        for line in lines:
            assert self._memory is not None
            self._memory.learn(line, self._piece)
        self._at += len(whole)
