"""Writes safetensors files, honest and hostile."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

SIZES = {"F32": 4, "BF16": 2, "F8_E4M3": 1}


def table(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> tuple[dict[str, Any], int]:
    """The entries of a header, laid out one after the other, and the bytes of their data."""
    entries: dict[str, Any] = {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = SIZES[dtype]
        for dimension in shape:
            size *= dimension
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return entries, at


def safetensors(header: object, data: int = 0, *, length: int | None = None) -> bytes:
    """A file with this header; its stated length may lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + b"\0" * data


def model(layers: int = 2, hidden: int = 64, vocab: int = 32, *, tied: bool = True) -> bytes:
    """A small network in BF16."""
    tensors = {"model.embed_tokens.weight": ("BF16", (vocab, hidden))}
    for layer in range(layers):
        tensors[f"model.layers.{layer}.mlp.up_proj.weight"] = ("BF16", (2 * hidden, hidden))
    if not tied:
        tensors["lm_head.weight"] = ("BF16", (vocab, hidden))
    entries, size = table(tensors)
    return safetensors({"__metadata__": {"format": "pt"}, **entries}, size)


def config(**fields: object) -> bytes:
    """A `config.json` of the small network."""
    usual = {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": 32,
        "max_position_embeddings": 2048,
        "torch_dtype": "bfloat16",
    }
    return json.dumps({**usual, **fields}).encode()
