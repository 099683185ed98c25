"""How text is laid out for people: words wrapped, tables that fit the terminal. Pure; a pipe gets full lines instead.

A table that is wider than the terminal has its last column wrapped when that is prose and has room, and otherwise
becomes one block per row. Columns that the caller can spare are shed first, and named, so that nothing goes silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

NARROWEST = 20  # a terminal that says it is narrower is not believed
ROOM_FOR_PROSE = 26
GAP = "  "
DOT = " · "
_TOGETHER = 1000  # rows that are looked at together


class Line(NamedTuple):
    """One line, and whether it is a heading."""

    text: str
    strong: bool = False


class Table(NamedTuple):
    """Rows of text under headers. `right` are right-aligned columns, `lead` columns name a row, `spare` may be shed."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    lead: int = 1
    spare: Sequence[str] = ()


def cells(text: str) -> int:
    """The columns that `text` takes on a terminal: East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int, *, first: str = "", rest: str = "", joint: str = " ") -> list[str]:
    """`text` in lines of at most `width` columns, broken at `joint` only: a longer word, a path, sticks out."""
    lines, line = [], first
    empty = True
    for word in text.split(joint):
        full = cells(line) + len(joint) + cells(word) > width
        if not empty and full and cells(rest) + cells(word) <= width:
            lines.append(line)
            line, empty = rest, True
        line += word if empty else joint + word
        empty = False
    return [*lines, line]


def lay_out(table: Table, width: int | None) -> tuple[Iterable[Line], list[str]]:
    """The lines of the table for a terminal of `width` columns (None: no limit), and the headers that were shed.

    A table may have a hundred thousand rows: its lines are made as they are read.
    """
    if width is None:
        return _grid(table), []
    shed: list[str] = []
    for header in table.spare:
        if _natural(table) <= width or _can_wrap(table, width):
            break
        shed.append(header)
        table = _without(table, header)
    if _natural(table) <= width:
        return _grid(table), shed
    if _can_wrap(table, width):
        return _grid(table, wrap_last_to=width), shed
    return _blocks(table, width), shed


def _widths(table: Table) -> list[int]:
    widths = [cells(header) for header in table.headers]
    for start in range(0, len(table.rows), _TOGETHER):
        columns = zip(*table.rows[start : start + _TOGETHER], strict=True)
        widths = [max(known, _width(column)) for known, column in zip(widths, columns, strict=True)]
    return widths


def _width(column: Sequence[str]) -> int:
    """The columns of the widest cell; of ASCII, which is as wide as it is long, without looking at each."""
    return max(map(len if "".join(column).isascii() else cells, column))


def _natural(table: Table) -> int:
    return sum(_widths(table)) + len(GAP) * (len(table.headers) - 1)


def _can_wrap(table: Table, width: int) -> bool:
    """Whether the last column is prose, and the others leave it room."""
    room = width - (_natural(table) - _widths(table)[-1])
    too_long = [row[-1] for row in table.rows if cells(row[-1]) > room]
    if room < ROOM_FOR_PROSE:
        return False
    longest = max((cells(word) for text in too_long for word in text.split(" ")), default=0)
    return longest <= room or 2 * room >= width  # a long path may stick out of a wide column


def _without(table: Table, header: str) -> Table:
    gone = list(table.headers).index(header)

    def kept(row: Sequence[str]) -> list[str]:
        return [cell for i, cell in enumerate(row) if i != gone]

    right = [i - (i > gone) for i in table.right if i != gone]
    return table._replace(headers=kept(table.headers), rows=[kept(row) for row in table.rows], right=right)


def _grid(table: Table, wrap_last_to: int | None = None) -> Iterator[Line]:
    widths = _widths(table)
    yield Line(_row(table.headers, widths, table.right), strong=True)
    if wrap_last_to is None:
        yield from (Line(text) for text in _rows(table, widths))
        return
    for row in table.rows:
        before = _row(row[:-1], widths, table.right, strip=False) + GAP
        wrapped = wrap(row[-1], wrap_last_to, first=before, rest=" " * cells(before))
        yield from (Line(text.rstrip()) for text in wrapped)


def _rows(table: Table, widths: Sequence[int]) -> Iterator[str]:
    """The rows on one line each. ASCII needs no counting of columns: Python's own padding is many times as fast."""
    padding = GAP.join(f"%{'' if i in table.right else '-'}{width}s" for i, width in enumerate(widths))
    for row in table.rows:
        text = padding % tuple(row)
        yield text.rstrip() if text.isascii() else _row(row, widths, table.right)


def _row(cells_: Sequence[str], widths: Sequence[int], right: Sequence[int], *, strip: bool = True) -> str:
    padded = []
    for i, cell in enumerate(cells_):
        space = " " * (widths[i] - cells(cell))
        padded.append(space + cell if i in right else cell + space)
    text = GAP.join(padded)
    return text.rstrip() if strip else text


def _blocks(table: Table, width: int) -> list[Line]:
    """One block per row: the leading cells as its heading, the others as `header value` under it."""
    label = _widths(table)[0] + len(GAP) if not table.headers[0] else 2
    lines: list[Line] = []
    for row in table.rows:
        heading = [cell for cell in row[: table.lead] if cell]
        if not table.headers[0]:
            heading[0] = heading[0].ljust(label - len(GAP))
        lines += [
            Line(text, strong=True) for text in wrap(GAP.join(heading), width, rest=" " * label, joint=GAP)
        ]
        facts = DOT.join(
            f"{header} {cell}".strip()
            for header, cell in list(zip(table.headers, row, strict=True))[table.lead :]
            if cell
        )
        indent = " " * label
        for text in wrap(facts, width, first=indent, rest=indent, joint=DOT):
            lines += [Line(part) for part in _prose(text, width, indent)]
    return lines


def _prose(text: str, width: int, indent: str) -> list[str]:
    """A fact that is too long for a line of its own, broken at words."""
    if cells(text) <= width:
        return [text]
    return wrap(text.strip(), width, first=indent, rest=indent + "  ")
