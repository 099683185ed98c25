"""Words on lines of a terminal, one after the other: wrapped at words, continued under their beginning. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from launchpad.chat.inline import Span, Style

_PIECES = re.compile(
    r"\s+|[^\s\u1100-\ufffd\U00010000-\U0010ffff]+|[\u1100-\ufffd\U00010000-\U0010ffff][\u200c\u200d\ufe00-\ufe0f]?"
)
_MOST_INDENT = 3  # of the width: a third; more would leave no room for words


def paint(text: str, *styles: Style | None) -> str:
    """Text with its styles begun and ended, so that no interruption leaves one open."""
    used = [style for style in styles if style]
    if not used or not text:
        return text
    begin = ";".join(style[0] for style in used)
    end = ";".join(style[1] for style in reversed(used))
    return f"\x1b[{begin}m{text}\x1b[{end}m"


class Layout:
    """One line of the source on as many of the screen as it needs.

    With `patient` a word is only written when it is whole; else at once, and taken back if it outgrows its line. The
    last column stays free: terminals differ in what they do there.
    """

    def __init__(self, columns: int, cells: Callable[[str], int], *, patient: bool = False) -> None:
        self._cells = cells
        self._patient = patient
        self.begin(columns)

    def begin(self, columns: int) -> None:
        """Start a new line of the source on a terminal of that width."""
        self.width = max(columns - 1, 1)
        self._next_width = self.width
        self._column = 0
        self._hang = ""
        self._space = ""
        self._word: list[tuple[str, tuple[Style, ...]]] = []
        self._word_cells = 0

    def resized(self, columns: int) -> None:
        """The terminal may have another width by now: the next word begins a line of it, as nobody tells what became of this one."""
        self._next_width = max(columns - 1, 1)

    def indent(self, space: str) -> str:
        """Start further right, but not beyond a third."""
        text = " " * min(len(space.expandtabs(4)), self.width // _MOST_INDENT)
        self._hang += text
        self._column += len(text)
        return text

    def prefix(self, text: str, style: Style | None) -> str:
        """A mark at the start; what follows continues under its own beginning. Bars are repeated, bullets are not."""
        cells = self._cells(text)
        if self._column + cells >= self.width:
            return ""
        self._column += cells
        self._hang += paint(text, style) if style else " " * cells
        return paint(text, style)

    def put(self, span: Span) -> str:
        """Write a span."""
        out = []
        for piece in _PIECES.findall(span.text):
            if piece.isspace():
                out.append(self._end_word())
                if self._next_width != self.width:
                    self.width, self._column, self._space = self._next_width, self._hang_cells(), ""
                    out.append("\n" + self._hang)
                else:
                    self._space += " " * len(piece)
            else:
                if piece[0] >= "\u1100":
                    out.append(self._end_word())
                out.append(self._piece(piece, span.styles))
        return "".join(out)

    def end(self) -> str:
        """The line is over."""
        return self._end_word()

    def _hang_cells(self) -> int:
        return self._cells(re.sub("\x1b\\[[0-9;]*m", "", self._hang))

    def _piece(self, text: str, styles: tuple[Style, ...]) -> str:
        written = 0 if self._patient else self._word_cells
        self._word.append((text, styles))
        self._word_cells += self._cells(text)
        if self._patient:
            return ""
        start = self._column - written
        if start + (0 if written else len(self._space)) + self._word_cells <= self.width:
            return self._fitting(text, styles, first=not written)
        return self._moved(written)

    def _fitting(self, text: str, styles: tuple[Style, ...], *, first: bool) -> str:
        space = self._space if first else ""
        self._space = ""
        self._column += len(space) + self._cells(text)
        return space + paint(text, *styles)

    def _moved(self, written: int) -> str:
        """Put the word on the next line; one that is longer than a line is broken."""
        start = self._column - written
        room = self._hang_cells()
        out = ""
        if start > room:
            out = (f"\x1b[{written}D\x1b[K" if written else "") + "\n" + self._hang
            self._column = room
            words, self._word = self._word, []
        else:
            words, self._word = self._word[-1:], self._word[:-1]
            if not written:
                out, self._column = self._space, self._column + len(self._space)
        self._space = ""
        return out + "".join(self._broken(text, styles) for text, styles in words)

    def _broken(self, text: str, styles: tuple[Style, ...]) -> str:
        """Write the piece of a word; at the end of the line it goes on below, and begins anew there."""
        out, line = "", ""
        for char in text:
            cells = self._cells(char)
            if self._column + cells > self.width and self._column > self._hang_cells():
                out += paint(line, *styles) + "\n" + self._hang
                line, self._word, self._column = "", [], self._hang_cells()
            line += char
            self._column += cells
        self._word.append((line, styles))
        self._word_cells = sum(self._cells(text) for text, _ in self._word)
        return out + paint(line, *styles)

    def _end_word(self) -> str:
        out = ""
        if self._patient and self._word:
            if self._column + len(self._space) + self._word_cells <= self.width:
                out = self._space + "".join(paint(text, *styles) for text, styles in self._word)
                self._column += len(self._space) + self._word_cells
                self._space = ""
            else:
                out = self._moved(0)
        self._word, self._word_cells = [], 0
        return out
