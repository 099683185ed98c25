"""Server-sent events from bytes that were cut anywhere. Pure."""

from __future__ import annotations

import re

from launchpad.errors import AnswerError

MAX_EVENT = 10 * 2**20  # bytes of one event; more is an attack or a bug
_BREAK = re.compile(rb"\r\n|\n|\r")


class EventReader:
    """What is between two events is kept; an event without its end is none."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the parts of one that has not ended
        self._data: list[bytes] = []  # the lines of an event that has not ended
        self._line_size = self._data_size = 0
        self._after_return = False  # a newline that comes next belongs to the carriage return before it

    def feed(self, part: bytes) -> list[str]:
        """The data of each event that is whole now. Raises `AnswerError` for one that does not end."""
        if self._after_return and part.startswith(b"\n"):
            part = part[1:]
        self._after_return = part.endswith(b"\r")
        events = []
        *ended, rest = _BREAK.split(part)
        for end in ended:
            line = b"".join([*self._line, end])
            self._line.clear()
            self._line_size = 0
            if line.startswith(b"data"):
                self._field(line)
            elif not line and self._data:
                events.append(b"\n".join(self._data).decode("utf-8", "replace"))
                self._data.clear()
                self._data_size = 0
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
        if self._line_size + self._data_size > MAX_EVENT:
            raise AnswerError(
                "The engine sent a broken answer.", why=f"An event exceeded {MAX_EVENT:,} bytes."
            )
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_size += len(line)
