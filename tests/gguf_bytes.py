"""Writes GGUF headers, honest and hostile, byte by byte."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {
    U8: "<B", I8: "<b", U16: "<H", I16: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?",
    U64: "<Q", I64: "<q", F64: "<d",
}  # fmt: skip


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return u64(len(raw)) + raw


def key(name: str | bytes, kind: int, value: object) -> bytes:
    """One key with a scalar or a string."""
    raw = text(value) if kind == STRING else struct.pack(SCALARS[kind], value)  # type: ignore[arg-type]
    return text(name) + u32(kind) + raw


def array(name: str, kind: int, values: Sequence[object]) -> bytes:
    raw = b"".join(text(v) if kind == STRING else struct.pack(SCALARS[kind], v) for v in values)  # type: ignore[arg-type]
    return text(name) + u32(ARRAY) + u32(kind) + u64(len(values)) + raw


def tensor(
    name: str | bytes, dims: Sequence[int], kind: int = 0, offset: int = 0, n_dims: int | None = None
) -> bytes:
    number = len(dims) if n_dims is None else n_dims
    return text(name) + u32(number) + b"".join(u64(dim) for dim in dims) + u32(kind) + u64(offset)


MODEL_KEYS = (
    key("general.architecture", STRING, "llama"),
    key("llama.block_count", U32, 2),
    key("llama.embedding_length", U32, 64),
    key("llama.feed_forward_length", U32, 128),
    key("llama.attention.head_count", U32, 4),
    key("llama.attention.head_count_kv", U32, 2),
)
MODEL_TENSORS = (
    tensor("token_embd.weight", (64, 32), 0, 0),
    tensor("blk.0.ffn_up.weight", (64, 128), 0, 8192),
    tensor("blk.1.ffn_up.weight", (64, 128), 8, 40960),
)
MODEL_DATA = 40960 + 8704


def gguf(
    keys: Sequence[bytes] = MODEL_KEYS,
    tensors: Sequence[bytes] = MODEL_TENSORS,
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    key_count: int | None = None,
    tensor_count: int | None = None,
    alignment: int = 32,
    data: int = MODEL_DATA,
) -> bytes:
    """A whole file; counts may lie."""
    head = magic + u32(version)
    head += u64(len(tensors) if tensor_count is None else tensor_count)
    head += u64(len(keys) if key_count is None else key_count)
    head += b"".join(keys) + b"".join(tensors)
    return head + b"\0" * (-len(head) % alignment) + b"\0" * data


def packed(keys: Sequence[bytes], sizes: Mapping[str, tuple[int, ...]]) -> bytes:
    """A file of 32-bit zeros, tensor after tensor, as engines insist on."""
    tensors, offset = [], 0
    for name, dims in sizes.items():
        tensors.append(tensor(name, dims, 0, offset))
        offset += -(-4 * math.prod(dims) // 32) * 32
    return gguf(keys, tensors, data=offset)
