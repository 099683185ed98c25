"""Notice an answer that repeats itself without end: small models do, until the context is full. Pure."""

from __future__ import annotations

from launchpad.errors import AnswerError

SPAN = 2_000  # characters of nothing but repetition
REPEATS = 16  # times that the same piece came
_LONGEST = SPAN // REPEATS  # characters of the piece
_EVERY = 200  # characters between two looks


def looped() -> AnswerError:
    """The error for an answer that was stopped for it."""
    return AnswerError(
        "The answer was stopped: it repeats itself.",
        why=f"Its last {SPAN:,} characters are one piece, over and over.",
        hint="Ask in other words, raise the temperature, or take a larger model.",
    )


class LoopWatch:
    """Fed with an answer's pieces; `looping` once its end is one piece, over and over."""

    def __init__(self) -> None:
        self.looping = False
        self._tail = ""
        self._unseen = 0

    def feed(self, text: str) -> bool:
        """Take a piece; returns `looping`."""
        self._tail = (self._tail + text)[-SPAN:]
        self._unseen += len(text)
        if self._unseen >= _EVERY and len(self._tail) == SPAN:
            self._unseen = 0
            self.looping = _period(self._tail) is not None
        return self.looping


def _period(text: str) -> int | None:
    """The length of the piece that `text` repeats, if it is short enough to have come often."""
    for length in range(1, _LONGEST + 1):
        if text.endswith(text[-length:] * 2) and text[length:] == text[:-length]:
            return length
    return None
