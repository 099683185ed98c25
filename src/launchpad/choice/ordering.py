"""Sorting very many things of which few are looked at: PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any


def in_order(keys: Sequence[float], tie: Callable[[int], Any]) -> Iterator[int]:
    """The positions of `keys` from the lowest up; `tie` orders those of equal keys, and is asked only for them.

    Comparing numbers alone is many times as fast as comparing what decides between equals, which a reader who stops early
    does not even need.
    """
    by_key = sorted(range(len(keys)), key=keys.__getitem__)
    for _, group in groupby(by_key, key=keys.__getitem__):
        positions = list(group)
        yield from sorted(positions, key=tie) if len(positions) > 1 else positions
