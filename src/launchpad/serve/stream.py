"""A stream of server-sent events on its way through: only whole events go on, and one without an end is told. PURE."""

from __future__ import annotations

import re

from msgspec import Struct

from launchpad.serve.apis import Api
from launchpad.serve.problem import Problem
from launchpad.serve.responses import Room

MAX_EVENT = 16 * 2**20  # bytes of one event; more is an attack or a bug
_TAIL = 4096  # bytes that are kept to read the figures of the end from
_OVERLAP = 64  # bytes of what came before in which the mark of the end may have begun
_ENDS = (b"\n\n", b"\r\n\r\n", b"\n\r\n")
_FINISHED = re.compile(rb'"finish_reason": ?"')  # in a text the quotes would be escaped
# What an engine says of the prompt, best first, and what must be added to it: the part that it had in its cache.
_PROMPT = (
    (re.compile(rb'"prompt_tokens": ?(\d+)'), None),
    (re.compile(rb'"input_tokens": ?(\d+)'), re.compile(rb'"cache_read_input_tokens": ?(\d+)')),
    (re.compile(rb'"prompt_n": ?(\d+)'), re.compile(rb'"cache_n": ?(\d+)')),
)
# The first piece that says something: roles and pings do not.
_SAID = re.compile(
    rb'"(?:content|text|delta|thinking|reasoning(?:_content)?|arguments|partial_json)": ?"[^"]'
)
_WHY = re.compile(rb'"(?:finish_reason|stop_reason)": ?"(\w+)"')
_STATUS = re.compile(rb'"status": ?"(completed|incomplete|failed)"')  # of /v1/responses
_ANSWER = re.compile(rb'"(?:completion_tokens|output_tokens|predicted_n)": ?(\d+)')


class Usage(Struct, frozen=True):
    """Tokens as the engine counted them; None where it did not say."""

    prompt: int | None
    answer: int | None


class Events:
    """Passes the events of one answer on, and knows whether it came to its end."""

    def __init__(self, api: Api, room: Room | None = None) -> None:
        self._api = api
        self._room = room
        self._held = b""  # the beginning of an event
        self._first = b""
        self._tail = b""
        self._finished = False
        self.said = False  # whether a piece of the answer came yet
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """What of the bytes that came is whole events, for the client. Raises `Problem` when one does not end."""
        if self._held:
            data = self._held + data
            self._held = b""
        if not data.endswith((b"\n\n", b"\r\n\r\n")):
            data = self._whole(data)
        seen = self._tail[-_OVERLAP:] + data
        self._first = self._first or data[:_TAIL]
        self.said = self.said or _SAID.search(data) is not None
        if not self.ended and self._api.end is not None and self._api.end.search(seen):
            self.ended = True
            data = self._room.last_event(data) if self._room else data
        self._finished = self._finished or _FINISHED.search(seen) is not None
        self._tail = (self._tail + data)[-_TAIL:]
        return data

    def _whole(self, data: bytes) -> bytes:
        end = max(data.rfind(mark) + len(mark) if mark in data else 0 for mark in _ENDS)
        self._held = data[end:]
        if len(self._held) > MAX_EVENT:
            raise Problem(502, "The engine sent an event without an end.", code="bad_answer")
        return data[:end]

    def finish(self) -> bytes:
        """What is still to be sent when the engine has closed: nothing, the missing mark, or an error."""
        if self.ended:
            return b""
        if self._finished and self._api.dialect == "openai":
            self.ended = True
            return b"data: [DONE]\n\n"
        return cut("the engine stopped before the end").event(self._api.dialect)

    def usage(self) -> Usage:
        """The counts of the first event (Anthropic's) and of the last ones."""
        return usage(self._first + self._tail)

    def reason(self) -> str:
        """Why the answer ended, in the engine's word."""
        return reason(self._tail)


def usage(text: bytes) -> Usage:
    """The counts in an answer."""
    prompt = None
    for pattern, cached in _PROMPT:
        prompt = _last(pattern, text)
        if prompt is not None:
            prompt += (_last(cached, text) or 0) if cached else 0
            break
    return Usage(prompt, _last(_ANSWER, text))


def reason(text: bytes) -> str:
    """The engine's word for why an answer ended, "stop" where it gives none."""
    found = _WHY.findall(text) or _STATUS.findall(text)
    return found[-1].decode() if found else "stop"


def _last(pattern: re.Pattern[bytes], text: bytes) -> int | None:
    found = pattern.findall(text)
    return int(found[-1]) if found else None


def cut(cause: str) -> Problem:
    """An answer that has no end."""
    return Problem(502, f"The answer was cut: {cause}. Ask again.", code="answer_cut")
