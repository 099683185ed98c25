"""The conversations that were kept, at a glance."""

from __future__ import annotations

import time

from msgspec import Struct

from launchpad.chat.history import History
from launchpad.chat.options import Message
from launchpad.chat.transcript import list_sessions, read_records, session_path
from launchpad.errors import UsageError

FIRST = 60  # characters of the first question


class SessionView(Struct, frozen=True, kw_only=True):
    """One conversation. `used` is when it was written to last; `first` how its first question begins."""

    name: str
    path: str
    bytes: int
    used: str
    model: str | None
    messages: int
    first: str | None


def overview() -> tuple[SessionView, ...]:
    """All conversations, the one that was used last first."""
    return tuple(found for name in list_sessions() if (found := _view(name)) is not None)


def conversation(name: str) -> tuple[str | None, tuple[Message, ...]]:
    """The model that answered last, and what was said. Raises `UsageError` when there is no such session."""
    raw(name)
    records = read_records(session_path(name))
    models = [record["model"] for record in records if isinstance(record.get("model"), str)]
    return (models[-1] if models else None), History(records).messages


def raw(name: str) -> str:
    """The file as it is. Raises `UsageError` when there is no such session."""
    path = session_path(name)
    if not path.is_file():
        raise UsageError(
            f"There is no session {name}.",
            why="No file has that name.",
            hint="`launchpad sessions` lists them.",
        )
    return path.read_text("utf-8", errors="replace")


def _view(name: str) -> SessionView | None:
    path = session_path(name)
    try:
        facts = path.stat()
        model, messages = conversation(name)
    except (OSError, UsageError):  # removed meanwhile
        return None
    first = next((message.content for message in messages if message.role == "user"), None)
    return SessionView(
        name=name,
        path=str(path),
        bytes=facts.st_size,
        used=time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.st_mtime)),
        model=model,
        messages=sum(message.role != "system" for message in messages),
        first=None if first is None else " ".join(first.split())[:FIRST],
    )
