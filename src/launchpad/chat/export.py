"""A conversation in other people's formats. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from launchpad.chat.options import Message

_TITLES = {"system": "System", "user": "You"}


def as_markdown(messages: Sequence[Message], model: str) -> str:
    """A readable page, one heading per message."""
    parts = [f"## {_TITLES.get(message.role, model)}\n\n{message.content.strip()}\n" for message in messages]
    return "\n".join(parts)


def as_openai_line(messages: Sequence[Message]) -> str:
    """One line of the JSONL that fine-tuning tools read."""
    body = {"messages": [{"role": message.role, "content": message.content} for message in messages]}
    return json.dumps(body, ensure_ascii=False) + "\n"
