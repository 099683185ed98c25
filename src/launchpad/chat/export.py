"""A conversation in other people's formats, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from launchpad.chat.history import History, Record
from launchpad.chat.options import Message, written
from launchpad.chat.transcript import read_records
from launchpad.errors import UsageError

_TITLES = {"system": "System", "user": "You"}


def as_markdown(messages: Sequence[Message], model: str) -> str:
    """A readable page, one heading per message."""
    parts = [f"## {_title(message, model)}\n\n{_body(message)}\n" for message in messages]
    return "\n".join(parts)


def _title(message: Message, model: str) -> str:
    return f"Tool {message.tool}" if message.role == "tool" else _TITLES.get(message.role, model)


def _body(message: Message) -> str:
    pictures = [f"(with {len(message.images)} picture{'s' if len(message.images) > 1 else ''})"]
    calls = [
        f"(calls {call.name} {json.dumps(dict(call.arguments), ensure_ascii=False)})"
        for call in message.calls
    ]
    parts = [message.content.strip(), *(pictures if message.images else []), *calls]
    return "\n\n".join(part for part in parts if part)


def as_openai_line(messages: Sequence[Message]) -> str:
    """One line of the JSONL that fine-tuning tools read."""
    body = {"messages": [written(message) for message in messages]}
    return json.dumps(body, ensure_ascii=False) + "\n"


def read_messages(path: Path) -> tuple[Message, ...]:
    """The conversation in a session's file, or in the first line of messages that `/save FILE.jsonl` wrote.

    Raises `UsageError` for anything else.
    """
    if not path.is_file():
        raise UsageError(
            f"There is no session and no file {path}.",
            why="Neither has that name.",
            hint="`launchpad sessions` lists the sessions.",
        )
    records = read_records(path)
    for record in records:
        if isinstance(found := record.get("messages"), list):
            records = [{"type": "message", **message} for message in found if isinstance(message, dict)]
            break
    messages = tuple(m for m in History(map(_plain, records)).messages if m.role != "tool" and not m.calls)
    if not messages:
        raise UsageError(
            f"{path} holds no conversation.",
            why="It has no messages as a session or `/save FILE.jsonl` writes them.",
            hint="Choose another file.",
        )
    return messages


def _plain(record: Record) -> Record:
    """OpenAI's parts of a message as our own fields."""
    parts = record.get("content")
    if not isinstance(parts, list):
        return record
    texts = [str(part.get("text")) for part in parts if part.get("type") == "text"]
    urls = [str(part["image_url"]["url"]) for part in parts if part.get("type") == "image_url"]
    return {**record, "content": "\n".join(texts), "images": [url.partition(",")[2] for url in urls]}
