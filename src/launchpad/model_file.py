"""A GGUF model on this machine: its header, all files of a split model taken together, and what it says."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from launchpad.errors import BadModelFile
from launchpad.fit import Layout, layout_from_gguf
from launchpad.gguf import GGUFHeader, join_splits, read_header
from launchpad.gguf.split import split_count

_SPLIT_NAME = re.compile(r"(.*-)\d{5}(-of-\d{5}\.gguf)", re.IGNORECASE | re.DOTALL)

# `general.file_type` of llama.cpp (enum llama_ftype): the mix of types that the file was quantized to.
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip


class FileFacts(Struct, frozen=True, kw_only=True):
    """What a model file says about itself. `size` in bytes over all its files, `context` in tokens."""

    name: str | None
    architecture: str
    quantization: str
    size: int
    parameters: float
    context: int | None


def read_model(path: Path) -> GGUFHeader:
    """The header of the model whose first (or only) file is `path`. Raises `BadModelFile`, `OSError`."""
    first = read_header(path)
    count = split_count(first)
    if count == 1:
        return first
    parts = _SPLIT_NAME.fullmatch(path.name)
    if parts is None:
        raise BadModelFile(
            f"{path.name} is one file of {count}, and its name does not say which.",
            hint="Keep the names that the files were published with: …-00001-of-00003.gguf",
        )
    paths = [path.with_name(f"{parts[1]}{number:05d}{parts[2]}") for number in range(1, count + 1)]
    if path != paths[0]:
        raise BadModelFile(
            f"{path.name} is not the first file of its model.", hint=f"Give the first one: {paths[0].name}"
        )
    missing = next((part for part in paths if not part.is_file()), None)
    if missing is not None:
        raise BadModelFile(f"{path.name} is one file of {count}, and {missing.name} is not beside it.")
    return join_splits([first, *(read_header(part) for part in paths[1:])])


def read_layout(path: Path) -> Layout:
    """The network as an engine lays it out in memory. Raises `BadModelFile`, `OSError`."""
    return layout_from_gguf(read_model(path))


def describe(path: Path) -> FileFacts:
    """What the file says about itself. Raises `BadModelFile`, `OSError`."""
    header = read_model(path)
    architecture = header.architecture
    if architecture is None:
        raise BadModelFile(f"{path.name} does not name its architecture.")
    name = header.metadata.get("general.name")
    context = header.metadata.get(f"{architecture}.context_length")
    kind = header.metadata.get("general.file_type")
    return FileFacts(
        name=name if isinstance(name, str) else None,
        architecture=architecture,
        quantization=_FILE_TYPES.get(kind, "unknown") if isinstance(kind, int) else "unknown",
        size=header.size,
        parameters=float(sum(_elements(tensor.dims) for tensor in header.tensors)),
        context=context if isinstance(context, int) and context > 0 else None,
    )


def _elements(dims: tuple[int, ...]) -> int:
    product = 1
    for dim in dims:
        product *= dim
    return product
