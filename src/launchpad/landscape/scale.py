"""From figures to positions: a logarithmic axis of memory and a linear one of quality. PURE."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

GIB = 1 << 30


class Scale(Struct, frozen=True, kw_only=True):
    """Maps memory (bytes, logarithmic) and quality to positions in a rectangle whose y grows downward."""

    left: float
    right: float
    top: float
    bottom: float
    least: int
    most: int
    best: float

    def x(self, memory: float) -> float:
        """The position of `memory` bytes, kept within the rectangle."""
        span = math.log2(self.most / self.least)
        share = math.log2(max(memory, self.least) / self.least) / span
        return self.left + min(share, 1.0) * (self.right - self.left)

    def y(self, quality: float) -> float:
        """The position of `quality`."""
        return self.bottom - min(max(quality / self.best, 0.0), 1.0) * (self.bottom - self.top)

    def memory_ticks(self) -> list[int]:
        """Powers of two from the left to the right, in bytes."""
        first = math.ceil(math.log2(self.least / GIB))
        last = math.floor(math.log2(self.most / GIB))
        return [round(2.0**power * GIB) for power in range(first, last + 1)]

    def quality_ticks(self) -> list[int]:
        """Round figures from the bottom to the top."""
        return list(range(0, int(self.best) + 1, 20 if self.best > 50 else 10))


def scale(
    memory: Sequence[int], quality: Sequence[float], *, left: float, right: float, top: float, bottom: float
) -> Scale:
    """The scale that shows all of these figures, with whole powers of two at both ends."""
    low, high = min(memory, default=GIB), max(memory, default=64 * GIB)
    least = 2.0 ** math.floor(math.log2(max(low, GIB // 8) / GIB))
    most = 2.0 ** math.ceil(math.log2(max(high, 2 * low) / GIB))
    return Scale(
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        least=round(least * GIB),
        most=round(max(most, 4 * least) * GIB),
        best=max(10.0, math.ceil(max(quality, default=0.0) / 10 + 0.3) * 10.0),
    )


def gib(memory: float) -> str:
    """Memory as an axis names it."""
    value = memory / GIB
    if value >= 1024:
        return f"{value / 1024:g} TiB"
    return f"{value:g} GiB" if value >= 1 else f"{value * 1024:g} MiB"
