"""Reads a GGUF header, trusting nothing: every length is checked against the file's size before it is used."""

from __future__ import annotations

import io
import mmap
import struct
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import BinaryIO

from launchpad.errors import BadModelFile
from launchpad.gguf.ggml import TENSOR_TYPES
from launchpad.gguf.header import GGUFHeader, Skipped, TensorInfo, Truncated

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
LARGEST_ALIGNMENT = 1 << 16

# Above any real model, low enough that the largest header which is allowed is read in well under 100 ms
# (`bench/fit/mutate_headers.py --largest` measures it).
MOST_KEYS = 1 << 10
MOST_BLOCKS = 1 << 10  # twice as many as llama.cpp takes
MOST_TENSORS = 1 << 12  # the largest published networks have about 2,000
MOST_STRINGS = 3 << 18  # the largest tokenizers have 777,000 tokens and merges
MOST_STRING_BYTES = 1 << 25  # of tokens and merges together; the largest have half of it
LONGEST_KEY = 1 << 12
LONGEST_TENSOR_NAME = 63
LONGEST_STRING = 1 << 26
LONGEST_KEPT_STRING = 1 << 20
LONGEST_KEPT_ARRAY = 1 << 12
MOST_KEPT = 1 << 22  # bytes of all kept values together; what comes later is skipped
_BYTES_OF_AN_ENTRY = 40  # what one entry of a kept array costs in memory
MOST_DIMENSIONS = 4
LARGEST_DIMENSION = 1 << 40

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_FORMATS = {number: struct.Struct(layout) for number, layout in _SCALARS.items()}
_STRING, _ARRAY = 8, 9
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_STRINGS_AT_ONCE = 1 << 12  # so many may lie on pages of their own before these are given back
_SMALLEST_KEY_BYTES = 8 + 1 + 4 + 1
_TENSORS = {number: struct.Struct(f"<{number}QIQ") for number in range(1, MOST_DIMENSIONS + 1)}
_SMALLEST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8
_FIRST_READ = 1 << 20

Buffer = bytes | bytearray | memoryview | mmap.mmap


def read_header(
    source: Path | BinaryIO | bytes | bytearray | memoryview, *, size: int | None = None
) -> GGUFHeader:
    """The header of a GGUF file.

    `source` is a path, an open file, or the first bytes of a file of `size` bytes in all. Raises `Truncated` when
    those first bytes are not enough, `BadModelFile` when no engine should be given this file.
    """
    if isinstance(source, Path):
        facts = source.stat()
        try:
            return _of_path(
                source, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
            )
        except BadModelFile as bad:
            raise BadModelFile(
                f"{source.name} is not a GGUF model file that can be used.",
                why=f"It has {facts.st_size:,} bytes; {bad.why or bad.what}.",
                hint="If it was cut short, fetch it again; `launchpad verify` hashes what launchpad fetched.",
            ) from bad
    if isinstance(source, bytes | bytearray | memoryview):
        return _Cursor(source, len(source) if size is None else size).header()
    return _from_file(source)


@lru_cache(maxsize=4)
def _of_path(path: Path, *stamp: int) -> GGUFHeader:
    """The header of this very state of the file: before a launch it is asked for more than once."""
    with path.open("rb") as file:
        return _from_file(file)


def _from_file(file: BinaryIO) -> GGUFHeader:
    """Maps the file where possible, so that skipped values are never read; else reads as much as is needed."""
    size = file.seek(0, io.SEEK_END)
    try:
        descriptor = file.fileno()
    except (OSError, AttributeError):
        return _by_growing_prefix(file, size)
    if size == 0:
        raise _bad("it is empty")
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped:
        return _Cursor(mapped, size).header()


def _by_growing_prefix(file: BinaryIO, size: int) -> GGUFHeader:
    length = _FIRST_READ
    while True:
        file.seek(0)
        try:
            return _Cursor(file.read(length), size).header()
        except Truncated as cut:
            if length >= size:
                raise _bad("it is shorter than it says") from None
            length = min(size, max(cut.need, 2 * length))


def _give_back(mapped: mmap.mmap) -> None:
    """Let the system forget the pages that were read: they count as memory of this process."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _bad(why: str) -> BadModelFile:
    return BadModelFile("this is not a GGUF model file that can be used", why=why)


class _Cursor:
    """A position in the first bytes of a file."""

    def __init__(self, data: Buffer, size: int) -> None:
        self.data = data
        self.have = len(data)
        self.size = size
        self.at = 0
        self.strings = 0
        self.string_bytes = 0
        self.kept = 0

    def header(self) -> GGUFHeader:
        version, tensor_count, key_count = self._preamble()
        metadata = self._metadata(key_count)
        alignment = self._alignment(metadata)
        tensors = self._tensors(tensor_count, alignment)
        data_offset = -(-self.at // alignment) * alignment
        _check_tensors(tensors, self.size - data_offset)
        _check_blocks(metadata)
        return GGUFHeader(
            version=version,
            metadata=metadata,
            tensors=tuple(tensors),
            alignment=alignment,
            data_offset=data_offset,
            size=self.size,
        )

    def _preamble(self) -> tuple[int, int, int]:
        if bytes(self.data[:4]) != MAGIC[: min(4, self.have)] or self.size < 4:
            raise _bad("it does not begin with GGUF")
        self._take(4)
        version = self._number(_U32)
        if version not in VERSIONS:
            raise _bad(f"version {version} of the format is not supported")
        tensor_count, key_count = self._number(_U64), self._number(_U64)
        self._check_count("keys", key_count, MOST_KEYS, _SMALLEST_KEY_BYTES)
        self._check_count("tensors", tensor_count, MOST_TENSORS, _SMALLEST_TENSOR_BYTES)
        return version, tensor_count, key_count

    def _check_count(self, what: str, count: int, most: int, each: int) -> None:
        """Refuse a count that is absurd, or whose entries the rest of the file cannot hold."""
        if count > most or count * each > self.size - self.at:
            raise _bad(f"it claims {count} {what}, which it cannot hold")

    def _take(self, length: int) -> int:
        """Step over so many bytes and return where they began."""
        start = self.at
        end = start + length
        if end > self.size:
            raise _bad("a length in it points beyond its end")
        if end > self.have:
            raise Truncated(end)
        self.at = end
        return start

    def _skip(self, length: int) -> None:
        """Step over bytes that need not be at hand."""
        if length > self.size - self.at:
            raise _bad("a length in it points beyond its end")
        self.at += length

    def _number(self, layout: struct.Struct) -> int:
        value: int = layout.unpack_from(self.data, self._take(layout.size))[0]
        return value

    def _text(self, what: str, longest: int) -> str:
        length = self._number(_U64)
        if not 0 < length <= longest:
            raise _bad(f"{what} is {length} bytes long")
        start = self._take(length)
        try:
            return bytes(self.data[start : start + length]).decode("utf-8")
        except UnicodeDecodeError:
            raise _bad(f"{what} is not text") from None

    def _metadata(self, count: int) -> dict[str, object]:
        metadata: dict[str, object] = {}
        for _ in range(count):
            key = self._text("the name of a key", LONGEST_KEY)
            if key in metadata:
                raise _bad("it holds a key twice")
            metadata[key] = self._value(self._number(_U32))
        return metadata

    def _value(self, kind: int) -> object:
        layout = _FORMATS.get(kind)
        if layout is not None:
            return layout.unpack_from(self.data, self._take(layout.size))[0]
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        raise _bad(f"it holds a value of unknown type {kind}")

    def _string(self) -> object:
        length = self._number(_U64)
        if length > LONGEST_STRING:
            raise _bad(f"it claims a string of {length} bytes")
        if length > LONGEST_KEPT_STRING or self._is_too_much(length):
            self._skip(length)
            return Skipped("string", length)
        start = self._take(length)
        return bytes(self.data[start : start + length]).decode("utf-8", errors="replace")

    def _array(self) -> object:
        kind, length = self._number(_U32), self._number(_U64)
        if kind == _STRING:
            return self._strings(length)
        layout = _FORMATS.get(kind)
        if layout is None:
            raise _bad(f"it holds an array of type {kind}")
        if length > LONGEST_KEPT_ARRAY or self._is_too_much(length * _BYTES_OF_AN_ENTRY):
            self._skip(length * layout.size)
            return Skipped("array", length)
        start = self._take(length * layout.size)
        return tuple(value for (value,) in layout.iter_unpack(self.data[start : self.at]))

    def _is_too_much(self, length: int) -> bool:
        """Count bytes that are to be kept; True when all of them together would be too many."""
        self.kept += length
        return self.kept > MOST_KEPT

    def _strings(self, count: int) -> Skipped:
        """Step over the strings of a tokenizer: only their lengths are read."""
        self.strings += count
        if self.strings > MOST_STRINGS or count * 8 > self.size - self.at:
            raise _bad(f"it claims {count} strings in one array, which it cannot hold")
        for left in range(count, 0, -_STRINGS_AT_ONCE):
            self._some_strings(min(left, _STRINGS_AT_ONCE))
        return Skipped("strings", count)

    def _some_strings(self, count: int) -> None:
        at, data, unpack = self.at, self.data, _U64.unpack_from
        try:
            for _ in repeat(None, count):
                at += unpack(data, at)[0] + 8
        except (struct.error, OverflowError):
            if at + 8 <= self.size:
                raise Truncated(at + 8) from None
        length = at - self.at
        self.string_bytes += length
        if self.string_bytes > MOST_STRING_BYTES:
            raise _bad("the strings in it are too long")
        self._skip(length)
        if isinstance(data, mmap.mmap):
            _give_back(data)

    def _alignment(self, metadata: dict[str, object]) -> int:
        value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(value, int) or not 0 < value <= LARGEST_ALIGNMENT or value & (value - 1):
            raise _bad(f"its alignment is {_short(value)}")
        return value

    def _tensors(self, count: int, alignment: int) -> list[TensorInfo]:
        tensors: list[TensorInfo] = []
        names: set[str] = set()
        for _ in range(count):
            tensor = self._tensor(alignment)
            if tensor.name in names:
                raise _bad("it holds a tensor twice")
            names.add(tensor.name)
            tensors.append(tensor)
        return tensors

    def _tensor(self, alignment: int) -> TensorInfo:
        name = self._text("the name of a tensor", LONGEST_TENSOR_NAME)
        number = self._number(_U32)
        layout = _TENSORS.get(number)
        if layout is None:
            raise _bad(f"a tensor has {number} dimensions")
        *dims, type_number, offset = layout.unpack_from(self.data, self._take(layout.size))
        kind = TENSOR_TYPES.get(type_number)
        if kind is None:
            raise _bad(f"a tensor has the unknown type {type_number}")
        elements = 1
        for dim in dims:
            if not 0 < dim <= LARGEST_DIMENSION:
                raise _bad(f"a tensor has a dimension of {dim}")
            elements *= dim
        if dims[0] % kind.elements:
            raise _bad(f"a row of {dims[0]} elements is not a whole number of {kind.name} blocks")
        if offset % alignment:
            raise _bad("a tensor is not aligned")
        return TensorInfo(name, tuple(dims), kind.name, offset, elements // kind.elements * kind.size)


def _check_tensors(tensors: list[TensorInfo], room: int) -> None:
    """Refuse tensors that reach beyond the file or into each other."""
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset < end:
            raise _bad("two tensors overlap")
        end = tensor.offset + tensor.size
        if end > room:
            raise _bad("a tensor reaches beyond its end")


def _check_blocks(metadata: dict[str, object]) -> None:
    """Refuse a number of blocks that engines divide by or allocate for without a look."""
    architecture = metadata.get("general.architecture")
    if architecture is None:
        return
    if not isinstance(architecture, str) or not architecture:
        raise _bad("its architecture is not a name")
    blocks = metadata.get(f"{architecture}.block_count", 1)
    if not isinstance(blocks, int) or isinstance(blocks, bool) or not 0 < blocks <= MOST_BLOCKS:
        raise _bad(f"its number of blocks is {_short(blocks)}")


def _short(value: object) -> str:
    """A hostile value in a message: never long, never more than one line."""
    return repr(value)[:40]
