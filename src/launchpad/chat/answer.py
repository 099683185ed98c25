"""One answer while its chunks arrive, whatever dialect they came in: text told apart from reasoning, and its end."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Protocol

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, Timings, ToolCall, Usage
from launchpad.chat.think import ThinkSplitter
from launchpad.errors import AnswerError


class Chunk(Protocol):
    """What a dialect reads from one piece of the stream."""

    @property
    def finish_reason(self) -> str | None:
        """Why the engine stopped; None while it goes on."""
        ...

    @property
    def usage(self) -> Usage | None:
        """Token counts, where this piece has them."""
        ...

    @property
    def timings(self) -> Timings | None:
        """Speeds, where this piece has them."""
        ...

    def pieces(self) -> Iterable[Text | Reasoning]:
        """The text in this piece."""
        ...


class Answer:
    """Collects what the chunks say about the end; passes on the text."""

    def __init__(self, engine: str) -> None:
        self.finish_reason: str | None = None
        self.calls: list[ToolCall] = []
        self._engine = engine
        self._characters = 0
        self._usage: Usage | None = None
        self._timings: Timings | None = None
        self._own_reasoning = False
        self._splitter = ThinkSplitter()

    def take(self, chunk: Chunk) -> Iterator[Text | Reasoning]:
        """The text of the next chunk."""
        for piece in chunk.pieces():
            self._characters += len(piece.text)
            yield from self._told_apart(piece)
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings

    def _told_apart(self, piece: Text | Reasoning) -> Iterator[Text | Reasoning]:
        """Look for tags, but not in the text of an engine that reports reasoning by itself."""
        if isinstance(piece, Reasoning):
            yield from self.close()
            self._own_reasoning = True
        if self._own_reasoning:
            yield piece
        else:
            yield from self._splitter.feed(piece.text)

    def close(self) -> Iterator[Text | Reasoning]:
        """What was held back in case it became a tag."""
        yield from self._splitter.close()

    def finish(self) -> Finish:
        """The end. Raises `AnswerError` when none was seen: an answer without an end is cut."""
        if not self.finish_reason:
            raise self.cut("the stream ended without a finish reason")
        return Finish(reason=self.finish_reason, usage=self._usage, timings=self._timings)

    def cut(self, cause: str, hint: str = "What came before is kept; ask again.") -> AnswerError:
        """The error for an answer that stopped short."""
        return AnswerError(
            "The answer was cut.",
            why=f"{self._engine} stopped after {self._characters} characters: {cause}.",
            hint=hint,
            retryable=True,
        )


def deltas(chunks: Generator[Chunk], answer: Answer) -> Generator[Delta]:
    """All deltas of one answer; the last is a `Finish`. An error after the end has been told is of no account."""
    try:
        with closing(chunks):
            for chunk in chunks:
                yield from answer.take(chunk)
    except AnswerError:
        yield from answer.close()
        if not answer.finish_reason:
            raise
    yield from answer.close()
    yield from answer.calls
    yield answer.finish()
