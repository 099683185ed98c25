"""Markdown on a terminal while it streams: append-only, so nothing flickers.

Each line of the source is shown as soon as its kind is known, each word as soon as it is there; only a word that turns
out too long for its line is taken back and put on the next. Emphasis and code spans wait for their end, so that a lone
`*args` stays what it is. A table's columns are sized by its first rows, and its rows come as they arrive.

The input must be sanitized: the only escape sequences in the output are those written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from launchpad.chat.inline import DIM, HEADING, Span, spans, still_open
from launchpad.chat.layout import Layout, paint
from launchpad.chat.table import Table, is_delimiter

_FENCE = re.compile(r"(\s*)(`{3,}|~{3,})([^`]*)\Z")
_MAY_BE_FENCE = re.compile(r"\s*(`*|~*)\Z")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])\s+(?=\S)")
_QUOTE = re.compile(r"\s{0,3}>\s?")
_RULE = re.compile(r"\s{0,3}([-*_])(?:\s*\1){2,}\s*\Z")
# A line that could still become one of the above.
_UNDECIDED = re.compile(r"\s*(?:#{0,6}|[-*_+](?:[ \t]*[-*_])*|\d{1,9}[.)]?|>|`+[^`]*|~+[^~]*)?\s*\Z")


class Markdown:
    """Fed with sanitized text; returns what to write. `columns` is asked for each piece: a terminal may be resized."""

    def __init__(self, columns: Callable[[], int], cells: Callable[[str], int]) -> None:
        self._columns = columns
        self._cells = cells
        self._layout = Layout(columns(), cells)
        self._held = ""  # of a line whose kind is unknown, or of a span that has no end yet
        self._inside = False  # the line's kind is known; what comes is its text
        self._fence: str | None = None
        self._heading = False
        self._table: Table | None = None
        self._head: str | None = None  # a row that heads a table if a delimiter follows

    def feed(self, text: str) -> str:
        """Take the next piece."""
        out = []
        while text:
            line, newline, text = text.partition("\n")
            self._held += line
            out.append(self._line(ended=bool(newline)))
            if newline:
                self._held, self._inside, self._heading = "", False, False
                self._layout.begin(self._columns())
        return "".join(out)

    def close(self) -> str:
        """What was held back."""
        shown = self._line(ended=True, last=True) if self._held or self._inside else ""
        shown += self._flush_head() + self._end_table()
        self._held, self._inside = "", False
        return shown

    def _line(self, *, ended: bool, last: bool = False) -> str:
        """What can be shown of the line; its end as well, once it is there."""
        end = "\n" if ended and not last else ""
        if self._fence is not None:
            return self._code(end, ended)
        before = ""
        if not self._inside:
            if self._is_row():
                return self._row(ended, end)
            if not ended and _UNDECIDED.match(self._held):
                return ""
            before = self._flush_head() + self._end_table()
            if ended and (fence := _FENCE.match(self._held)):
                self._fence = fence[2]
                return before + paint(self._held.rstrip(), DIM) + end
            if ended and _RULE.match(self._held):
                return before + paint("─" * max(3, min(self._layout.width, 40)), DIM) + end
            before += self._begin()
        return before + self._text(ended) + end

    def _begin(self) -> str:
        """The kind is known: show what stands for the marker."""
        self._inside = True
        if found := _HEADING.match(self._held):
            self._held = self._held[found.end() :]
            self._heading = True
            return ""
        out = ""
        while quote := _QUOTE.match(self._held):
            self._held = self._held[quote.end() :]
            out += self._layout.prefix("│ ", DIM)
        if item := _ITEM.match(self._held):
            mark = "•" if item[2] in "-*+" else item[2]
            self._held = self._held[item.end() :]
            return out + self._layout.indent(item[1]) + self._layout.prefix(f"{mark} ", None)
        blank = len(self._held) - len(self._held.lstrip(" \t"))
        lead, self._held = self._held[:blank], self._held[blank:]
        return out + self._layout.indent(lead)

    def _text(self, ended: bool) -> str:
        """Show the spans that are complete."""
        keep = "" if ended else still_open(self._held)
        text = self._held[: len(self._held) - len(keep)]
        self._held = keep
        style = HEADING if self._heading else None
        self._layout.resized(self._columns())
        out = "".join(self._layout.put(span) for span in spans(text, style))
        return out + (self._layout.end() if ended else "")

    def _code(self, end: str, ended: bool) -> str:
        """A line of code as it is; the fence's end is told by the whole line."""
        assert self._fence is not None
        if not self._inside and not ended and _MAY_BE_FENCE.match(self._held):
            return ""
        bare = self._held.strip()
        if (
            not self._inside
            and ended
            and bare
            and not bare.strip(self._fence[0])
            and len(bare) >= len(self._fence)
        ):
            self._fence = None
            return paint(self._held.rstrip(), DIM) + end
        self._inside = True
        shown, self._held = self._held, ""
        return paint(shown, Span.CODE) + end

    # -- tables ---------------------------------------------------------------------------------------------------

    def _is_row(self) -> bool:
        return self._held.lstrip().startswith("|")

    def _row(self, ended: bool, end: str) -> str:
        """A row is shown when it is whole."""
        if not ended:
            return ""
        row, self._held = self._held, ""
        if self._table is not None:
            return self._table.row(row)
        if self._head is not None and is_delimiter(row):
            self._table = Table(self._head, row, self._columns(), self._cells)
            self._head = None
            return ""
        shown = self._flush_head()
        self._head = row
        return shown

    def _flush_head(self) -> str:
        """A row that heads no table is a line of text."""
        head, self._head = self._head, None
        if head is None:
            return ""
        out = "".join(self._layout.put(span) for span in spans(head, None)) + self._layout.end() + "\n"
        self._layout.begin(self._columns())
        return out

    def _end_table(self) -> str:
        table, self._table = self._table, None
        return "" if table is None else table.close()
