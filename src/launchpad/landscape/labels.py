"""Where labels go so that none covers another: greedy, nearest place first. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

WIDTH = 0.63  # of an average letter of a bold, wide sans-serif face, in ems
HEIGHT = 1.25  # of a line, in ems
STEPS = 4


class Box(Struct, frozen=True):
    """A rectangle; y grows downward."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share any area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def inside(self, frame: Box) -> bool:
        """Whether all of it lies in `frame`."""
        return (
            self.left >= frame.left
            and self.right <= frame.right
            and self.top >= frame.top
            and self.bottom <= frame.bottom
        )


class Label(Struct, frozen=True):
    """A label's text, the box that it takes, and the point that it names."""

    text: str
    box: Box
    x: float
    y: float


def place(
    points: Sequence[tuple[str, float, float]],
    frame: Box,
    size: float,
    *,
    dots: Sequence[tuple[float, float]],
) -> list[Label]:
    """A place for the label of each (text, x, y); one that finds none is left out.

    No label covers another or one of `dots`, all that is drawn. Up and to the left comes first: above the line of
    leaders there is nothing to cover. In the order of their heights, the lowest first, none bars another's way up.
    """
    taken = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in dots]
    placed = []
    for text, x, y in points:
        width, height = WIDTH * size * len(text), HEIGHT * size
        for left, top in _places(x, y, width, height):
            box = Box(left, top, left + width, top + height)
            if box.inside(frame) and not any(box.meets(other) for other in taken):
                taken.append(box)
                placed.append(Label(text, box, x, y))
                break
    return placed


def _places(x: float, y: float, width: float, height: float) -> Iterator[tuple[float, float]]:
    gap = 9.0
    for step in range(STEPS):
        up = y - height * (1.05 + step * 0.9)
        yield x - gap - width, up
        if step:
            yield x - width / 2, up - gap / 2
    for step in range(1, STEPS):
        yield x - gap, y - height * (1.05 + step * 0.9) - gap / 2
    yield x + gap, y - height / 2
