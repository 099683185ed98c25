"""Answers of `/v1/responses` that ran into a limit: llama.cpp calls them completed, and a client could not tell. PURE.

An answer that takes its limit to the last token counts as cut: the engine does not say which of the two it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from launchpad.engines.server import Server

PATH = "/v1/responses"
_COMPLETED = b"event: response.completed\n"
_INCOMPLETE = b"event: response.incomplete\n"


class Room(Struct, frozen=True):
    """What an answer may take: tokens that were asked for at most, and tokens of the conversation's whole context."""

    asked: int | None
    context: int

    def told(self, response: Any) -> Any:
        """The response, as OpenAI would word one that was cut."""
        if not isinstance(response, dict) or response.get("status") != "completed":
            return response
        if not self._full(response.get("usage")):
            return response
        return {**response, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}

    def last_event(self, events: bytes) -> bytes:
        """Whole events of which the last may tell the end of the response."""
        start = (b"\n" + events).rfind(b"\n" + _COMPLETED)
        if start < 0:
            return events
        name, _, rest = events[start:].partition(b"data:")
        data, end, more = rest.partition(b"\n")
        try:
            document = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return events
        response = document.get("response") if isinstance(document, dict) else None
        told = self.told(response)
        if told is response:
            return events
        document = {**document, "type": "response.incomplete", "response": told}
        name = name.replace(_COMPLETED, _INCOMPLETE)
        return events[:start] + name + b"data: " + msgspec.json.encode(document) + end + more

    def _full(self, usage: Any) -> bool:
        if not isinstance(usage, dict):
            return False
        prompt, answer = usage.get("input_tokens"), usage.get("output_tokens")
        if not isinstance(prompt, int) or not isinstance(answer, int):
            return False
        return prompt + answer >= self.context or (self.asked is not None and answer >= self.asked)


def room(server: Server, body: dict[str, Any]) -> Room:
    """What this engine gives an answer to this request."""
    settings, asked = server.settings, body.get("max_output_tokens")
    context = server.report.context or settings.context
    return Room(
        asked=asked if isinstance(asked, int) else None,
        context=context if settings.kv_unified else context // settings.parallel,
    )
