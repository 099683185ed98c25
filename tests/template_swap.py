"""A real model with another chat template: one value of its header, replaced."""

from __future__ import annotations

import struct
from pathlib import Path

_KEY = b"tokenizer.chat_template"
_ALIGNMENT = 32  # of the tensors; what a multiple of it is put in before them leaves them aligned


def with_template(model: Path, template: str, target: Path) -> Path:
    """A copy of `model` at `target` whose template is `template` and a comment that fills it up."""
    data = model.read_bytes()
    start = data.index(_KEY) + len(_KEY) + 4
    (size,) = struct.unpack_from("<Q", data, start)
    text = template.encode()
    text += b"{#" + b" " * ((size - len(text) - 4) % _ALIGNMENT) + b"#}"
    target.write_bytes(data[:start] + struct.pack("<Q", len(text)) + text + data[start + 8 + size :])
    return target
