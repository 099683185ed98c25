"""One true progress of a pull, from the lines of its stream: PURE.

Ollama tells each layer by itself, begins with the largest, and leaves out `completed` where it is 0. The sum is what a
person wants to see; its size grows while layers come up, unless it was known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Layers:
    """The layers of one pull. `size` is what the whole is said to have, in bytes, None where nobody said."""

    def __init__(self, size: int | None) -> None:
        self._said = size
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self.have: int | None = None  # bytes that were here when the first layer came up

    def take(self, line: Mapping[str, Any]) -> bool:
        """Take one line into account; whether it tells of bytes."""
        digest, total = line.get("digest"), line.get("total")
        if not isinstance(digest, str) or not isinstance(total, int):
            return False
        done = line.get("completed")
        first = digest not in self._totals
        self._totals[digest] = total
        self._done[digest] = min(done if isinstance(done, int) else 0, total)
        if first:
            self.have = (self.have or 0) + self._done[digest]
        return True

    def complete(self) -> None:
        """The pull succeeded: every layer is here, also where its last line was left out."""
        self._done = dict(self._totals)

    @property
    def digests(self) -> frozenset[str]:
        """The sha256 of every layer that came up."""
        return frozenset(digest.removeprefix("sha256:") for digest in self._totals)

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return sum(self._done.values())

    @property
    def size(self) -> int:
        """Bytes of the whole, as far as that is known."""
        return max(self._said or 0, sum(self._totals.values()))
