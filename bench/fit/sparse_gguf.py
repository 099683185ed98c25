"""Writes GGUF files of true shape: a header, and zeros that take no room on the disk."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

# ggml's number, elements per block and bytes per block.
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_0": (2, 32, 18)}
ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


class SparseTensor(Struct, frozen=True):
    """One tensor of a file that holds no data."""

    name: str
    dims: tuple[int, ...]
    type: str

    @property
    def size(self) -> int:
        """Bytes."""
        elements = 1
        for dim in self.dims:
            elements *= dim
        _, block, size = TYPES[self.type]
        return elements // block * size


def natural_type(name: str, dims: Sequence[int]) -> str:
    """The type that converters give a tensor of a 16-bit file: what is small or not multiplied stays at 32 bits."""
    kept = ("norm", "conv", "ssm_a", "gate_inp", "lerp", "rope")
    return "F32" if len(dims) == 1 or dims[0] % 32 or any(part in name for part in kept) else "F16"


def write(path: Path, metadata: Mapping[str, object], tensors: Sequence[SparseTensor]) -> None:
    """Write the header and let the file end where the data would."""
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, value in metadata.items():
        parts += [_string(key), _typed(value)]
    offset = 0
    for tensor in tensors:
        dims = struct.pack(f"<I{len(tensor.dims)}Q", len(tensor.dims), *tensor.dims)
        parts += [_string(tensor.name), dims, struct.pack("<IQ", TYPES[tensor.type][0], offset)]
        offset += -(-tensor.size // ALIGNMENT) * ALIGNMENT
    header = b"".join(parts)
    header += bytes(-len(header) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + offset)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _kind(value: object) -> int:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return UINT32 if value >= 0 else INT32
    return FLOAT32 if isinstance(value, float) else STRING


def _typed(value: object) -> bytes:
    if not isinstance(value, list):
        return struct.pack("<I", _kind(value)) + _plain(value, _kind(value))
    kind = INT32 if _kind(value[0]) == UINT32 else _kind(value[0])
    return struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(_plain(item, kind) for item in value)


def _plain(value: object, kind: int) -> bytes:
    if isinstance(value, str):
        return _string(value)
    return struct.pack({BOOL: "<?", UINT32: "<I", INT32: "<i", FLOAT32: "<f"}[kind], value)
