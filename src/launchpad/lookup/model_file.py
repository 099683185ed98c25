"""A model on this machine: its headers, all files of a split model taken together, and what they say."""

from __future__ import annotations

import re
from pathlib import Path

from launchpad.catalog.hub_config import LONGEST_CONFIG, parse_config
from launchpad.errors import BadModelFile
from launchpad.fit import Layout, layout_from_gguf
from launchpad.fit.layout import Projector
from launchpad.fit.projector import projector_from_gguf
from launchpad.gguf import GGUFHeader, join_splits, read_header
from launchpad.gguf.split import split_count
from launchpad.lookup.model_facts import ModelFacts, facts_of_config, facts_of_gguf
from launchpad.safetensors import read_safetensors
from launchpad.safetensors.index import check_shards

_SPLIT_NAME = re.compile(r"(.*-)\d{5}(-of-\d{5}\.gguf)", re.IGNORECASE | re.DOTALL)


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


def read_projector(path: Path) -> Projector:
    """The vision projector in a file. Raises `BadModelFile`, `OSError`."""
    return projector_from_gguf(read_header(path))


def describe(path: Path) -> ModelFacts:
    """What a GGUF file, or a folder with safetensors files, says about itself. Raises `BadModelFile`, `OSError`."""
    if path.is_dir():
        return _describe_folder(path)
    if path.suffix.lower() == ".safetensors":
        return _describe_folder(path.parent)
    return facts_of_gguf(read_model(path))


def _describe_folder(folder: Path) -> ModelFacts:
    weights = _weights(folder)
    config = folder / "config.json"
    if not weights or not config.is_file():
        raise BadModelFile(
            f"{folder.name} is not the folder of a model.",
            why="A model in safetensors files has config.json beside them.",
            hint="Give the folder as it was downloaded, or a .gguf file.",
        )
    headers = [read_safetensors(path) for path in weights]
    names = [tensor.name for header in headers for tensor in header.tensors]
    tied = not any(name.endswith("lm_head.weight") for name in names)
    with config.open("rb") as file:
        text = file.read(LONGEST_CONFIG + 1)
    return facts_of_config(parse_config(text, tied=tied), sum(header.tensor_bytes for header in headers))


def _weights(folder: Path) -> list[Path]:
    """The files that hold the model: all, or those of the usual name where another form lies beside them."""
    found = sorted(folder.glob("*.safetensors"))
    return [path for path in found if path.name.startswith("model")] or found


def check(path: Path) -> None:
    """Refuse what no engine should be given: malformed headers, absurd figures, other formats under these names.

    Raises `BadModelFile`, `OSError`.
    """
    if path.is_dir():
        check_shards(path)
        for weights in sorted(path.glob("*.safetensors")):
            read_safetensors(weights)
    elif path.suffix.lower() == ".safetensors":
        read_safetensors(path)
    elif path.suffix.lower() == ".gguf":
        read_layout(path)
