"""Reading the log that the guard writes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 65536
FOLLOW_SECONDS = 0.1


class EngineLog:
    """The log file of one engine start; the guard rotates it once to `<path>.1` when it grows too large."""

    LIMIT = 4 * 2**20

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """Bytes written so far in the current file; 0 before the first."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def text(self) -> str:
        """Everything that is kept, oldest first."""
        parts = (Path(f"{self.path}.1"), self.path)
        return "".join(path.read_text("utf-8", "replace") for path in parts if path.exists())

    def tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that are not blank, without their line ends."""
        found = self._last_block().decode("utf-8", "replace").splitlines()
        return tuple(line for line in found if line.strip())[-lines:]

    def follow(self) -> Iterator[str]:
        """Whole lines as they are written from now on, until the engine has ended; through one rotation and the next."""
        from launchpad.engines import registry

        with contextlib.suppress(FileNotFoundError):
            file = self.path.open("rb")
            file.seek(0, os.SEEK_END)
            rest = b""
            while True:
                running = registry.is_known(self.path.stem)
                if data := file.read(_BLOCK):
                    *lines, rest = (rest + data).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in lines)
                elif os.fstat(file.fileno()).st_ino != self.path.stat().st_ino:
                    file.close()
                    file = self.path.open("rb")
                elif running:
                    time.sleep(FOLLOW_SECONDS)
                else:
                    break
            file.close()
            if rest:
                yield rest.decode("utf-8", "replace")

    def _last_block(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _BLOCK))
                return file.read()
        except FileNotFoundError:
            return b""
