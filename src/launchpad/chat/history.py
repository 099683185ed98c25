"""A conversation as a list of records, and what of it the engine is sent. Pure: live sessions and files share it.

Records are plain JSON objects, one line each in a transcript:

    {"type": "session", "v": 1, "id": …, "model": …, "engine": …, "time": …}   first line
    {"type": "message", "role": "system" | "user", "content": …, "time": …}
    {"type": "message", "role": "assistant", "reasoning": …, "content": …, "finish_reason": …, "usage": …, "ms": …}
    {"type": "clear"} forgets all but the system message     {"type": "retry"} takes the last turn back

`finish_reason` is the engine's word, or `cancelled` (stopped by the user), `error` (with the error's own text in
`error`), `cut` (launchpad itself died). A turn without an answer leaves no trace in what the engine is sent: templates
refuse two user messages in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.chat.options import Message

Record = Mapping[str, Any]
VERSION = 1


class History:
    """What has been said, after every record so far."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.system: str | None = None
        self.last_question: str | None = None  # also when it went unanswered: what a retry asks again
        self._answered = False  # the last question has an answer
        self._turns: list[Message] = []
        for record in records:
            self.apply(record)
        self.settle()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages for the engine, system message first."""
        system = (Message("system", self.system),) if self.system else ()
        return (*system, *self._turns)

    def apply(self, record: Record) -> None:
        """Take one record into account; records of unknown types are for other readers."""
        match record.get("type"):
            case "message":
                self._message(str(record.get("role")), str(record.get("content") or ""))
            case "clear":
                self._turns.clear()
                self.last_question, self._answered = None, False
            case "retry":
                self._take_back()

    def settle(self) -> None:
        """Drop a question that has no answer."""
        if self._turns and self._turns[-1].role == "user":
            self._turns.pop()

    def _message(self, role: str, content: str) -> None:
        if role == "system":
            self.system = content or None
        elif role == "user":
            self.settle()
            self.last_question = content
            self._answered = False
            self._turns.append(Message("user", content))
        elif role == "assistant" and content:
            self._answered = True
            self._turns.append(Message("assistant", content))
        elif role == "assistant":
            self.settle()

    def _take_back(self) -> None:
        if self._answered:
            self._turns.pop()
            self._answered = False
        self.settle()
