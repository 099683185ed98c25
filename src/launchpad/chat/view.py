"""One answer on the screen or in a pipe, while it arrives."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import TextIO

from launchpad.chat.delta import Delta, Finish, Reasoning, ToolCall
from launchpad.chat.terminal import DIM, PLAIN, Writer, can_style, markdown_for


class AnswerView:
    """Text to `out`, reasoning to `err`: dim where that can be shown, marked on other terminals, plain in pipes.

    `tty` says that `out` is a terminal; with `markdown` it shows the text as such, if it can. `answered` is True once
    there was more than white space.
    """

    def __init__(
        self, out: TextIO, err: TextIO, *, tty: bool, thoughts: bool, markdown: bool = False
    ) -> None:
        self.answered = False
        self._text = Writer(out, sanitize=tty, render=markdown_for(out) if tty and markdown else None)
        self._thoughts = thoughts_writer(err) if thoughts else None

    def show(self, deltas: Generator[Delta]) -> None:
        """Show all deltas. However that ends, the generator is closed and the lines are ended."""
        try:
            with closing(deltas):
                for delta in deltas:
                    self._take(delta)
        finally:
            self._end()

    def _take(self, delta: Delta) -> None:
        if isinstance(delta, Finish):
            return
        if isinstance(delta, ToolCall):
            self._end()  # what its tool says or asks starts on a line of its own
            return
        if isinstance(delta, Reasoning):
            if self._thoughts is not None:
                self._thoughts.write(delta.text)
            return
        if self._thoughts is not None:
            self._thoughts.end()
        self._text.write(delta.text)
        self.answered = self.answered or bool(delta.text.strip())

    def _end(self) -> None:
        if self._thoughts is not None:
            self._thoughts.end()
        self._text.end()


def thoughts_writer(err: TextIO) -> Writer:
    """Where reasoning goes: dim on a terminal that can, marked on one that cannot, plain in a pipe."""
    tty = err.isatty()
    if can_style(err):
        return Writer(err, sanitize=tty, before=DIM, after=PLAIN, needed=False)
    return Writer(err, sanitize=tty, before="(reasoning) " if tty else "", needed=False)
