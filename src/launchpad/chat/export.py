"""A conversation in other people's formats, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
            hint="`launchpad sessions` lists the sessions.",
        )
    records = read_records(path)
    for record in records:
        if isinstance(found := record.get("messages"), list):
            records = [{"type": "message", **message} for message in found if isinstance(message, dict)]
            break
    messages = History(_plain(records)).messages
    if not messages:
        raise UsageError(
            f"{path} holds no conversation.",
            why="It has no messages as a session or `/save FILE.jsonl` writes them.",
            hint="Choose another file.",
        )
    return messages


def _plain(records: Iterable[Record]) -> Iterator[Record]:
    """OpenAI's parts of a message, its calls of tools and what these said, as our own fields."""
    names: dict[
        str, str
    ] = {}  # of tools, by the call: in OpenAI's form an answer says only what call it is for
    for record in records:
        own = dict(record)
        if isinstance(parts := record.get("content"), list):
            own |= _parts(parts)
        if isinstance(made := record.get("tool_calls"), list):
            own["calls"] = [_call(call) for call in made if isinstance(call, dict)]
            names |= {call["id"]: call["name"] for call in own["calls"]}
        if (answered := record.get("tool_call_id")) is not None:
            own |= {"call": answered, "tool": names.get(str(answered), "")}
        yield own


def _parts(parts: list[Any]) -> dict[str, Any]:
    known = [part for part in parts if isinstance(part, dict)]
    texts = [str(part.get("text")) for part in known if part.get("type") == "text"]
    urls = [str(part["image_url"]["url"]) for part in known if part.get("type") == "image_url"]
    return {"content": "\n".join(texts), "images": [url.partition(",")[2] for url in urls]}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    named = function if isinstance(function, dict) else {}
    try:
        arguments = json.loads(named.get("arguments") or "{}")
    except (TypeError, ValueError):
        arguments = {}
    return {
        "id": str(call.get("id") or ""),
        "name": str(named.get("name")),
        "arguments": arguments if isinstance(arguments, dict) else {},
    }
