"""Which parts of a file are still missing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

ENDLESS = 1 << 62  # the end of a file whose size nobody knows


class Gaps:
    """The missing parts of a file of `size` bytes, as half-open ranges in order."""

    def __init__(self, size: int | None) -> None:
        self.size = ENDLESS if size is None else size
        self._gaps: list[tuple[int, int]] = [(0, self.size)] if self.size else []
        self._missing = self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._gaps)

    @property
    def first(self) -> int:
        """The first missing byte; the size when there is none."""
        return self._gaps[0][0] if self._gaps else self.size

    @property
    def have(self) -> int:
        """How many bytes are here."""
        return self.size - self._missing

    def fill(self, start: int, stop: int) -> None:
        """The bytes start ≤ i < stop are here now."""
        kept = []
        for begin, end in self._touched(start, stop):
            kept += [gap for gap in ((begin, min(end, start)), (max(begin, stop), end)) if gap[0] < gap[1]]
        self._replace(start, stop, kept)

    def dig(self, start: int, stop: int) -> None:
        """The bytes start ≤ i < stop are missing (again)."""
        touched = self._touched(start - 1, stop + 1)  # neighbors grow together
        begin = min([start, *(gap[0] for gap in touched)])
        end = max([stop, *(gap[1] for gap in touched)])
        self._replace(begin, end, [(begin, end)])

    def here_until(self, offset: int) -> int:
        """The end of what is here without a gap from `offset` on; `offset` itself when that is missing."""
        index = bisect_right(self._gaps, (offset, ENDLESS + 1))
        if index and self._gaps[index - 1][1] > offset:
            return offset
        return self._gaps[index][0] if index < len(self._gaps) else self.size

    def _touched(self, start: int, stop: int) -> list[tuple[int, int]]:
        return [gap for gap in self._gaps if gap[0] < stop and gap[1] > start]

    def _replace(self, start: int, stop: int, new: list[tuple[int, int]]) -> None:
        others = [gap for gap in self._gaps if not (gap[0] < stop and gap[1] > start)]
        self._gaps = sorted(others + new)
        self._missing = sum(end - begin for begin, end in self._gaps)
