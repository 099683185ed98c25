"""The landscape as lines of text: a scatter plot with a letter for each leader. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from msgspec import Struct

from launchpad.landscape.model import Landscape, Point
from launchpad.landscape.scale import GIB, Scale, scale

HEIGHT = 16
_MARGIN = 5  # columns left of the plot, for the figures of quality


class Marks(Struct, frozen=True, kw_only=True):
    """What is drawn with: letters stand for leaders."""

    dot: str
    limit: str
    floor: str
    wall: str
    corner: str


UNICODE = Marks(dot="·", limit="┊", floor="─", wall="│", corner="└")
ASCII = Marks(dot=".", limit=":", floor="-", wall="|", corner="+")


def letters(seen: Landscape) -> dict[str, str]:
    """The letter of each leader by its id, A for the best; those beyond Z have none."""
    return {point.id: letter for point, letter in zip(reversed(seen.leaders), ascii_uppercase, strict=False)}


def plot(seen: Landscape, width: int, marks: Marks) -> list[str]:
    """The plot, `width` columns wide. Empty when there is nothing to draw."""
    if not seen.points:
        return []
    at = scale(
        [p.memory for p in seen.points],
        [p.quality for p in seen.points],
        left=0,
        right=max(20, width - _MARGIN - 2),
        top=0,
        bottom=HEIGHT,
    )
    cells = [[" "] * (int(at.right) + 1) for _ in range(HEIGHT + 1)]
    for limit in seen.limits:
        if at.least < limit.memory < at.most:
            for row in cells:
                row[round(at.x(limit.memory))] = marks.limit
    named = letters(seen)
    for point in sorted(seen.points, key=lambda p: (p.leads, p.quality)):
        _put(cells, at, point, named.get(point.id, marks.dot))
    return [*_rows(cells, at, marks), *_below(at, marks)]


def _put(cells: Sequence[list[str]], at: Scale, point: Point, mark: str) -> None:
    cells[round(at.y(point.quality))][round(at.x(point.memory))] = mark


def _rows(cells: Sequence[list[str]], at: Scale, marks: Marks) -> Iterator[str]:
    ticks = {round(at.y(tick)): str(tick) for tick in at.quality_ticks()}
    for number, row in enumerate(cells):
        yield f"{ticks.get(number, ''):>{_MARGIN - 1}} {marks.wall}{''.join(row)}".rstrip()


def _below(at: Scale, marks: Marks) -> Iterator[str]:
    yield " " * _MARGIN + marks.corner + marks.floor * (int(at.right) + 1)
    figures = [" "] * (int(at.right) + _MARGIN + 8)
    free = 0
    for tick in at.memory_ticks():
        text = f"{tick / GIB:g}"
        start = round(at.x(tick)) + _MARGIN + 1 - len(text) // 2
        if start >= free and start + len(text) <= int(at.right) + _MARGIN + 2:
            figures[start : start + len(text)] = text
            free = start + len(text) + 1
    yield "".join(figures).rstrip()
    yield f"{'GiB needed (logarithmic)':>{int(at.right) + _MARGIN + 2}}"
