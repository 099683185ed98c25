"""What the header of a GGUF file says."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from launchpad.errors import BadModelFile


class Truncated(BadModelFile):
    """The prefix at hand ends before the header does; at least `need` bytes of the file are needed."""

    def __init__(self, need: int) -> None:
        super().__init__(
            "the beginning of the model file is not enough", why=f"{need} bytes are needed", retryable=True
        )
        self.need = need

    def __reduce__(self) -> tuple[object, ...]:
        return (Truncated, (self.need,))


class Skipped(NamedTuple):
    """A value that is in the file but was not kept: a long array or a very long string."""

    kind: str
    length: int


class TensorInfo(NamedTuple):
    """One tensor: `dims` from the fastest varying on, `offset` from the start of the data, `size` in bytes."""

    name: str
    dims: tuple[int, ...]
    type: str
    offset: int
    size: int


class GGUFHeader(Struct, frozen=True, kw_only=True):
    """Metadata and tensor table of a file. `data_offset` and `size` (of the whole file) in bytes."""

    version: int
    metadata: dict[str, object]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int
    size: int

    @property
    def architecture(self) -> str | None:
        """`general.architecture`; None in the later files of a split model."""
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else None

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors, padding not counted."""
        return sum(tensor.size for tensor in self.tensors)
