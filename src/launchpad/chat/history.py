"""A conversation as a list of records, and what of it the engine is sent. Pure: live sessions and files share it.

Records are plain JSON objects, one line each in a transcript:

    {"type": "session", "v": 1, "id": …, "model": …, "engine": …, "time": …}   first line
    {"type": "message", "role": "system" | "user", "content": …, "images": [base64, …], "time": …}
    {"type": "message", "role": "assistant", "reasoning": …, "content": …, "finish_reason": …, "usage": …, "ms": …}
    {"type": "message", "role": "tool", "tool": name, "call": id, "content": …}   and "calls" of the assistant before it
    {"type": "engine", "model": …, "engine": …}   another one answers from here on
    {"type": "clear"} forgets all but the system message     {"type": "retry"} takes the last turn back

`finish_reason` is the engine's word, or `cancelled` (stopped by the user), `error` (with the error's own text in
`error`), `cut` (launchpad itself died). A turn without an answer leaves no trace in what the engine is sent: templates
refuse two user messages in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.chat.delta import ToolCall
from launchpad.chat.options import Message

Record = Mapping[str, Any]
VERSION = 1


class History:
    """What has been said, after every record so far."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.system: str | None = None
        self.last_asked: Message | None = None  # also when it went unanswered: what a retry asks again
        self._turns: list[Message] = []
        self._held = False  # the last question is among the turns
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
                self._message(str(record.get("role")), str(record.get("content") or ""), record)
            case "clear":
                self._turns.clear()
                self.last_asked, self._held = None, False
            case "retry":
                self._drop_turn()

    @property
    def last_question(self) -> str | None:
        """The text of `last_asked`."""
        return None if self.last_asked is None else self.last_asked.content

    def settle(self) -> None:
        """Drop a question that has no answer."""
        if self._turns and (self._turns[-1].role != "assistant" or self._turns[-1].calls):
            self._drop_turn()

    def _drop_turn(self) -> None:
        """Take back everything from the last question on."""
        while self._held and self._turns.pop().role != "user":
            pass
        self._held = False

    def _message(self, role: str, content: str, record: Record) -> None:
        if role == "system":
            self.system = content or None
        elif role == "user":
            self.settle()
            self.last_asked = Message("user", content, images=_images(record))
            self._turns.append(self.last_asked)
            self._held = True
        elif role == "assistant" and (content or record.get("calls")):
            self._turns.append(Message("assistant", content, calls=_calls(record)))
        elif role == "tool" and self._held:
            call = record.get("call")
            self._turns.append(
                Message(
                    "tool", content, tool=str(record.get("tool")), call=None if call is None else str(call)
                )
            )
        elif role == "assistant":
            self.settle()


def _images(record: Record) -> tuple[str, ...]:
    found = record.get("images")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _calls(record: Record) -> tuple[ToolCall, ...]:
    found = record.get("calls")
    return tuple(
        ToolCall(
            name=str(call.get("name")),
            arguments=dict(call.get("arguments") or {}),
            id=str(call.get("id") or ""),
        )
        for call in (found if isinstance(found, list) else ())
        if isinstance(call, dict)
    )
