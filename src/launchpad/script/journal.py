"""A run on disk: append-only JSONL, one object a line, synced after each turn.

`run` (the script, the command, the version) → `env` (model and fingerprint) → per turn `message` → `check` → `result`
per case → `end`. Every line has `v`, `run` and, where it belongs to one, `case`, `repeat`, `model`, `turn`.
A last line that a crash tore is skipped when reading and fenced off when the file goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launchpad.errors import RefusedError, UsageError

VERSION = 1


class Journal:
    """Writes the transcript of a run. Thread-safe. Without a path it writes nothing."""

    def __init__(self, path: str | Path | None, run: str) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._fd: int | None = None
        if path is not None:
            self._fd = open_lines(Path(path))

    def write(self, kind: str, *, sync: bool = False, **fields: Any) -> None:
        """Append one line. `sync` puts it and all before it safely on the disk."""
        if self._fd is None:
            return
        line = json.dumps({"type": kind, "v": VERSION, "run": self.run, **fields}, ensure_ascii=False)
        data = memoryview(line.encode("utf-8", "replace") + b"\n")
        with self._lock:
            while data:
                data = data[os.write(self._fd, data) :]
            if sync:
                os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def open_lines(path: Path) -> int:
    """Open a file for appending lines; what a crash tore at its end stays alone on its line. Raises `UsageError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, flags, 0o600)
        if os.lseek(fd, 0, os.SEEK_END):
            os.lseek(fd, -1, os.SEEK_END)
            if os.read(fd, 1) != b"\n":
                os.write(fd, b"\n")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written.", why=error.strerror, hint="Choose another file."
        ) from error
    return fd


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a transcript that can be read."""
    try:
        with path.open("rb") as file:
            for raw in file:
                try:
                    line = json.loads(raw)
                except (ValueError, RecursionError):
                    continue
                if isinstance(line, dict):
                    yield line
    except OSError as error:
        raise UsageError(
            f"The transcript {path} cannot be read.", why=error.strerror, hint="Check the path."
        ) from error


def result_key(*parts: Any) -> str:
    """Names the one result that a script, a row, a try, a model and parameters have."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Finished:
    """What an earlier run has already done, from its transcript. Errors and half cases are done again.

    With `allow_changed`, results of another version of the script count too.
    """

    def __init__(self, path: str | Path, script_sha: str, *, allow_changed: bool = False) -> None:
        self._results: dict[str, dict[str, Any]] = {}
        self._key = "case_key" if allow_changed else "key"
        scripts = set()
        path = Path(path)
        if not path.exists():
            return
        for line in read_lines(path):
            if line.get("type") == "run":
                scripts.add(line.get("script"))
            elif line.get("type") == "result" and line.get("outcome") in ("pass", "fail"):
                self._results[str(line.get(self._key))] = line
        if scripts and script_sha not in scripts and not allow_changed:
            raise RefusedError(
                "The script has changed since that run.",
                why=f"{path} was made by another version of it.",
                hint="Start anew, or go on all the same: --resume-changed.",
            )

    def get(self, keys: Mapping[str, str]) -> dict[str, Any] | None:
        """The `result` line with these keys (`key`, and `case_key` without the script)."""
        return self._results.get(keys[self._key])


def new_run_id() -> str:
    """Sorts by time, does not repeat."""
    return f"{time.strftime('%Y%m%dT%H%M%S')}-{os.urandom(3).hex()}"
