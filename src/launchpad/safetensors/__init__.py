"""The header of safetensors files, read from hostile input: names, types and shapes of tensors, never their data."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.errors import BadModelFile
from launchpad.gguf import Truncated

LONGEST_HEADER = 1 << 24  # the format allows 100 MB; 90,000 tensors, more than any file holds, take 12 MB
MOST_TENSORS = 1 << 17
MOST_DIMENSIONS = 8
LARGEST_DIMENSION = 1 << 40
_LENGTH = struct.Struct("<Q")

# Bits per element of each type of the format.
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64,
}  # fmt: skip


class SafeTensor(Struct, frozen=True):
    """One tensor: its type in the format's words, and `size` in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def elements(self) -> int:
        """Number of stored elements (packed formats store several weights in one)."""
        return self.size * 8 // BITS[self.dtype]


class SafetensorsHeader(Struct, frozen=True, kw_only=True):
    """All tensors of one file. `data_offset` and `size` (of the whole file) in bytes."""

    tensors: tuple[SafeTensor, ...]
    data_offset: int
    size: int

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors."""
        return self.size - self.data_offset


class _Entry(Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_safetensors(source: Path | bytes, *, size: int | None = None) -> SafetensorsHeader:
    """The header of a file, or of the file of `size` bytes that begins with `source`.

    Raises `Truncated` when those first bytes are not enough, `BadModelFile` when no engine should be given this file.
    """
    if isinstance(source, bytes):
        return _parse(source, len(source) if size is None else size)
    with source.open("rb") as file:
        total = source.stat().st_size
        first = file.read(_LENGTH.size)
        try:
            return _parse(first, total)
        except Truncated as cut:
            return _parse(first + file.read(cut.need - len(first)), total)


def _parse(data: bytes, size: int) -> SafetensorsHeader:
    if size < _LENGTH.size:
        raise _bad("it is too short to have a header")
    if len(data) < _LENGTH.size:
        raise Truncated(_LENGTH.size)
    length: int = _LENGTH.unpack_from(data)[0]
    end = _LENGTH.size + length
    if not 2 <= length <= LONGEST_HEADER or end > size:
        raise _bad(f"its header claims {length} bytes")
    if data[_LENGTH.size : _LENGTH.size + 1] not in (b"", b"{"):
        raise _bad("its header is not a table of tensors")
    if len(data) < end:
        raise Truncated(end)
    tensors = tuple(_tensors(data[_LENGTH.size : end], size - end))
    return SafetensorsHeader(tensors=tensors, data_offset=end, size=size)


def _tensors(text: bytes, room: int) -> list[SafeTensor]:
    """The tensors in the order of their data, which they must cover without a gap."""
    entries = _entries(text)
    tensors, at = [], 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        start, stop = entry.data_offsets
        if start != at or stop < start:
            raise _bad("its tensors overlap, or leave a gap")
        at = stop
        tensors.append(_checked(name, entry))
    if at != room:
        raise _bad(f"its tensors take {at} bytes, and {room} are there")
    return tensors


def _entries(text: bytes) -> dict[str, _Entry]:
    try:
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        if len(raw) > MOST_TENSORS:
            raise _bad(f"it claims {len(raw)} tensors")
        decoder = msgspec.json.Decoder(_Entry)
        return {name: decoder.decode(value) for name, value in raw.items()}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _bad("its header is not a table of tensors") from error


def _checked(name: str, entry: _Entry) -> SafeTensor:
    bits = BITS.get(entry.dtype)
    if bits is None:
        raise _bad("a tensor has a type that is not known")
    if len(entry.shape) > MOST_DIMENSIONS:
        raise _bad(f"a tensor has {len(entry.shape)} dimensions")
    elements = 1
    for dimension in entry.shape:
        if not 0 <= dimension <= LARGEST_DIMENSION:
            raise _bad(f"a tensor has a dimension of {dimension}")
        elements *= dimension
    start, stop = entry.data_offsets
    if elements * bits != (stop - start) * 8:
        raise _bad("a tensor's size does not follow from its shape")
    return SafeTensor(name, entry.dtype, tuple(entry.shape), stop - start)


def _bad(why: str) -> BadModelFile:
    return BadModelFile("this is not a safetensors file that can be used", why=why)
