"""A conversation on disk: append-only JSONL that survives a crash in the middle of an answer.

The line of an answer is written while it arrives: `{"type":"message","role":"assistant","content":"…` grows by one
piece after the other and is closed at the end. What a crash leaves is a half line, which the next reader closes.
Nothing that was written is ever rewritten.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from launchpad.chat.history import Record
from launchpad.errors import BusyError, UsageError
from launchpad.paths import data_dir, state_dir

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_EXTRA_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
_HEAD = '{"type":"message","role":"assistant"'
_HALF_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")
_ESCAPE_REST = ("", "u0020", "0020", "020", "20", "0")  # by the length of the half escape
_CUT = '"finish_reason":"cut"}'
_ENDS = (
    *(
        f"{value}{nested},{_CUT}"
        for nested in ("", "}")
        for value in ('"', "", '""', ':""', '":""', "0", ":0", '":0')
    ),
    _CUT,  # after a comma
    f'"cached":null}},{_CUT}',  # after a comma in the usage
    "",  # only the newline is missing
)


def sessions_dir() -> Path:
    """Folder of all transcripts."""
    return data_dir() / "sessions"


def session_path(session: str) -> Path:
    """The transcript of a session. Raises `UsageError` for a name that is no plain file name."""
    if not _ID.fullmatch(session):
        raise UsageError(
            f"{session!r} cannot name a session.",
            why="A name has at most 100 letters, digits, dots, dashes and underscores, and starts with a letter or digit.",
            hint="Choose another one, such as trip.",
        )
    return sessions_dir() / f"{session}.jsonl"


def list_sessions() -> list[str]:
    """Names of all sessions, the one that was used last first."""
    with contextlib.suppress(OSError):
        found = sorted(sessions_dir().glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.stem for path in found if _ID.fullmatch(path.stem)]
    return []


def remove_session(session: str) -> None:
    """Delete a session's file. Raises `UsageError` when there is none, `BusyError` while it is written to."""
    path = session_path(session)
    if not path.is_file():
        raise UsageError(
            f"There is no session {session}.",
            why="No file has that name.",
            hint="`launchpad sessions` lists them.",
        )
    with Transcript(session) as transcript:
        transcript.open()
        path.unlink()


def read_records(path: Path) -> list[Record]:
    """All records that can be read. Lines that are not JSON objects are skipped; a half last line is completed."""
    try:
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"The session {path.stem} cannot be read.", why=str(error.strerror)) from error
    half = lines.pop()
    records: list[Record] = [record for line in lines if (record := _record(line)) is not None]
    if half and (end := _completion(half)) is not None:
        records.append(json.loads(half + end))
    return records


class Transcript:
    """The writer of one session's file. Nothing is created before the first record.

    Raises `BusyError` when another launchpad has the session open, `OSError` when the disk refuses.
    """

    def __init__(self, session: str) -> None:
        self.session = session
        self.path = session_path(session)
        self._fd: int | None = None
        self._lock = contextlib.ExitStack()
        self._answer: _AnswerLine | None = None

    def open(self) -> None:
        """Take the file for this process and complete what a crash left; later writes do it by themselves."""
        if self._fd is None:
            self._fd = self._open()

    def write(self, record: Record) -> None:
        """Append one whole line."""
        self._append(_dumps(record) + "\n")
        self._sync()

    def piece(self, kind: str, text: str) -> None:
        """Append a piece of the answer that is arriving: `kind` is `reasoning` or `content`."""
        if self._answer is None:
            self._answer = _AnswerLine()
            self._append(_HEAD)
        self._append(self._answer.piece(kind, text))

    def end_answer(self, fields: Record) -> None:
        """Close the answer's line with what is known at its end."""
        line, self._answer = self._answer or _AnswerLine(), None
        start = "" if line.started else _HEAD
        self._append(f"{start}{line.end(fields)}\n")
        self._sync()

    def close(self) -> None:
        """Release the file; idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, text: str) -> None:
        self.open()
        data = memoryview(text.encode("utf-8", "replace"))
        while data and self._fd is not None:
            data = data[os.write(self._fd, data) :]

    def _sync(self) -> None:
        if self._fd is not None:
            os.fsync(self._fd)

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._acquire()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _EXTRA_FLAGS, 0o600)
        if repair := _repair(self.path):
            os.write(fd, repair.encode())
        return fd

    def _acquire(self) -> None:
        import filelock

        folder = state_dir() / "locks"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock.enter_context(filelock.FileLock(folder / f"session-{self.session}.lock", timeout=0))
        except filelock.Timeout as error:
            raise BusyError(
                f"The session {self.session} is in use.",
                why="Another launchpad writes to it.",
                hint="Leave the other one, or start a new session.",
            ) from error


class _AnswerLine:
    """The order inside an answer's line: reasoning, then content. Reasoning that comes later is kept for the end."""

    def __init__(self) -> None:
        self.started = False
        self._open: str | None = None
        self._late: list[str] = []

    def piece(self, kind: str, text: str) -> str:
        self.started = True
        if kind == "reasoning" and self._open == "content":
            self._late.append(text)
            return ""
        start = "" if kind == self._open else f'{self._close()},"{kind}":"'
        self._open = kind
        return start + _dumps(text)[1:-1]

    def end(self, fields: Record) -> str:
        late = {"late_reasoning": "".join(self._late)} if self._late else {}
        content = "" if self._open == "content" else ',"content":""'
        return f"{self._close()}{content}," + _dumps({**late, **fields})[1:]

    def _close(self) -> str:
        return "" if self._open is None else '"'


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _record(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _completion(half: str) -> str | None:
    """What turns a half line into a whole record; None if nothing does. Appended, because nothing is rewritten."""
    escape = _HALF_ESCAPE.search(half)
    filler = _ESCAPE_REST[len(escape[1])] if escape else ""
    return next((filler + end for end in _ENDS if _record(half + filler + end) is not None), None)


def _repair(path: Path) -> str:
    """What must be appended so that the next record starts on a line of its own."""
    half = path.read_bytes().decode("utf-8", "replace").rsplit("\n", 1)[-1]
    return f"{_completion(half) or ''}\n" if half else ""
