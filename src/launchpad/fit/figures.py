"""Checked access to the metadata of a GGUF file: hostile input in, plain figures or `BadModelFile` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from launchpad.errors import BadModelFile

LARGEST_FIGURE = 1 << 31  # no count or dimension of a real network comes near it
MOST_BLOCKS = 1024


class Figures:
    """The figures `<architecture>.<key>` of a GGUF file's metadata."""

    def __init__(self, metadata: Mapping[str, object]) -> None:
        self._metadata = metadata
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise BadModelFile(
                "the model file does not name its architecture", why="general.architecture is missing"
            )
        self.architecture = architecture

    def raw(self, key: str) -> object:
        """The value as stored, None when absent."""
        return self._metadata.get(f"{self.architecture}.{key}")

    def count(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """One whole number; of an array, the largest entry."""
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if isinstance(value, Sequence) and not isinstance(value, str | bytes) and value:
            return max(self._checked(key, entry, least=0) for entry in value)
        return self._checked(key, value, least=least)

    def per_block(self, key: str, blocks: int, default: int) -> tuple[int, ...]:
        """One whole number per block; a single figure holds for all of them."""
        value = self.raw(key)
        if value is None:
            return (default,) * blocks
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            if len(value) < blocks:
                raise self._bad(key, f"has {len(value)} entries for {blocks} blocks")
            return tuple(self._checked(key, entry, least=0) for entry in value[:blocks])
        return (self._checked(key, value, least=0),) * blocks

    def blocks(self) -> int:
        """The number of blocks."""
        value = self._checked("block_count", self.raw("block_count"), least=1)
        if value > MOST_BLOCKS:
            raise self._bad("block_count", f"is {value}")
        return value

    def _checked(self, key: str, value: object, *, least: int) -> int:
        if isinstance(value, bool) and least == 0:
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._bad(key, "is missing" if value is None else "is not a whole number")
        if not least <= value < LARGEST_FIGURE:
            raise self._bad(key, f"is {value}")
        return value

    def _bad(self, key: str, why: str) -> BadModelFile:
        return BadModelFile(
            "the model file's metadata cannot be used", why=f"{self.architecture}.{key} {why}"
        )
