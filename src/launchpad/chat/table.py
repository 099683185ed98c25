"""A table of Markdown whose rows come one by one. Pure.

The columns are sized by the head and the first row; later cells wrap inside their column, so that no row is written
twice. Where a terminal is too narrow for columns, each row becomes a list of its cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from launchpad.chat.inline import BOLD, DIM, spans
from launchpad.chat.layout import Layout, paint

_DELIMITER = re.compile(r"\s*\|?(\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?\s*\Z")
_CELL = re.compile(r"(?:\\.|`[^`]*`|[^|\\]|\\)*")
_SGR = re.compile("\x1b\\[[0-9;]*m")
_GAP = 3  # " │ "
_LEAST = 5  # cells of a column


def is_delimiter(row: str) -> bool:
    """Whether this is the line below a table's head."""
    return "-" in row and bool(_DELIMITER.match(row))


def cells_of(row: str) -> list[str]:
    """The cells of a row, without the white space around them."""
    row = row.strip()
    row = row[1:] if row.startswith("|") else row
    row = row[:-1] if row.endswith("|") and not row.endswith("\\|") else row
    found, at = [], 0
    while True:
        match = _CELL.match(row, at)
        assert match is not None
        found.append(match[0].strip())
        if match.end() >= len(row):
            return found
        at = match.end() + 1


class Table:
    """Rows in, lines out."""

    def __init__(self, head: str, delimiter: str, columns: int, cells: Callable[[str], int]) -> None:
        self._head = cells_of(head)
        marks = list(cells_of(delimiter))
        self._right = [mark.endswith(":") and not mark.startswith(":") for mark in marks]
        self._room = max(columns - 1, 1)
        self._cells = cells
        self._widths: list[int] | None = None
        self._begun = False

    def row(self, text: str) -> str:
        """The next row, and before the first one the head."""
        row = cells_of(text)
        row = [*row, *[""] * (len(self._head) - len(row))][: len(self._head)]
        return self._begin(row) + self._shown(row)

    def close(self) -> str:
        """A head without rows."""
        return self._begin([""] * len(self._head))

    def _begin(self, first: Sequence[str]) -> str:
        if self._begun:
            return ""
        self._begun = True
        self._widths = self._sized(first)
        if self._widths is None:
            return ""
        line = "─┼─".join("─" * width for width in self._widths)
        return self._line(self._head, strong=True) + paint(line, DIM) + "\n"

    def _sized(self, first: Sequence[str]) -> list[int] | None:
        """A width for each column; None where there is no room for columns."""
        count = len(self._head)
        room = self._room - _GAP * (count - 1)
        if room < _LEAST * count:
            return None
        wanted = [max(self._visible(a), self._visible(b), 3) for a, b in zip(self._head, first, strict=True)]
        spare = room - sum(wanted)
        if spare >= 0:  # later rows may need more: half of what is left, by need
            return [width + min(width, spare * width // (2 * sum(wanted))) for width in wanted]
        share = room // count
        short = [width for width in wanted if width <= share]
        # Later rows may need more here, too, lest their words be broken: at most a quarter of what the long columns have.
        more = (room - sum(short)) // 4 // max(len(short), 1)
        least = [
            min(width + min(more, max(3, width // 2)), share) if width <= share else max(share // 2, _LEAST)
            for width in wanted
        ]
        rest, lacks = (
            room - sum(least),
            [max(0, width - low) for low, width in zip(least, wanted, strict=True)],
        )
        return [low + rest * lack // sum(lacks) for low, lack in zip(least, lacks, strict=True)]

    def _shown(self, row: Sequence[str]) -> str:
        return self._record(row) if self._widths is None else self._line(row, strong=False)

    def _line(self, row: Sequence[str], *, strong: bool) -> str:
        assert self._widths is not None
        columns = [self._wrapped(cell, width, strong) for cell, width in zip(row, self._widths, strict=True)]
        lines = []
        for number in range(max(map(len, columns))):
            parts = [
                self._padded(column[number] if number < len(column) else "", index)
                for index, column in enumerate(columns)
            ]
            lines.append(paint(" │ ", DIM).join(parts).rstrip() + "\n")
        return "".join(lines)

    def _wrapped(self, cell: str, width: int, strong: bool) -> list[str]:
        layout = Layout(width + 1, self._cells, patient=True)
        text = "".join(layout.put(span) for span in spans(cell, BOLD if strong else None)) + layout.end()
        return text.split("\n")

    def _padded(self, text: str, index: int) -> str:
        assert self._widths is not None
        blank = " " * max(0, self._widths[index] - self._cells(_SGR.sub("", text)))
        return blank + text if index < len(self._right) and self._right[index] else text + blank

    def _visible(self, cell: str) -> int:
        return self._cells("".join(span.text for span in spans(cell, None)))

    def _record(self, row: Sequence[str]) -> str:
        """A row where columns have no room."""
        lines = []
        for name, cell in zip(self._head, row, strict=True):
            layout = Layout(self._room + 1, self._cells, patient=True)
            start = "".join(layout.put(span) for span in spans(f"{name}:", BOLD))
            text = "".join(layout.put(span) for span in spans(f" {cell}", None))
            lines.append(start + text + layout.end() + "\n")
        return "".join(lines) + "\n"
