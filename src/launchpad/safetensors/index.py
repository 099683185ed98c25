"""`*.safetensors.index.json`: which file holds which tensor. Engines open what it names, so its names are judged first."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.errors import BadModelFile
from launchpad.pull.names import check_name, quote

INDEX = "model.safetensors.index.json"
LONGEST_INDEX = 1 << 25


class _Metadata(Struct, frozen=True):
    total_size: int | float | None = None


class SafetensorsIndex(Struct, frozen=True):
    """The file of each tensor by its name; `metadata` may claim how many bytes all tensors have."""

    weight_map: dict[str, str]
    metadata: _Metadata = _Metadata()

    @property
    def files(self) -> list[str]:
        """The files that it names, each once."""
        return sorted(set(self.weight_map.values()))


def parse_index(text: bytes, name: str = INDEX) -> SafetensorsIndex:
    """Read an index. Raises `BadModelFile`; `RefusedError` for a file name that leads out of the folder."""
    try:
        index = msgspec.json.decode(text, type=SafetensorsIndex)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadModelFile(f"{name} cannot be used.", why=f"{quote(str(error), 120)}.") from error
    for file in index.files:
        check_name(file)
        if not file.endswith(".safetensors"):
            raise BadModelFile(f"{name} cannot be used.", why=f"It names {quote(file)} as a file of weights.")
    return index


def check_shards(folder: Path) -> None:
    """Every file that an index in `folder` names is there. Raises `BadModelFile`, `RefusedError`, `OSError`."""
    for path in sorted(folder.glob("*.safetensors.index.json")):
        with path.open("rb") as file:
            text = file.read(LONGEST_INDEX + 1)
        if len(text) > LONGEST_INDEX:
            raise BadModelFile(
                f"{path.name} cannot be used.", why=f"It has more than {LONGEST_INDEX:,} bytes."
            )
        present = {file.name for file in folder.glob("*.safetensors") if file.is_file()}
        if missing := missing_shards(parse_index(text, path.name), present):
            raise BadModelFile(
                f"The model in {folder.name} is not complete.",
                why=f"{path.name} names {quote(missing[0])}, which is not there.",
                hint="Pull it again: what is here is not fetched twice.",
            )


def missing_shards(index: SafetensorsIndex, present: Collection[str]) -> list[str]:
    """The files that an index names and nobody has."""
    return [file for file in index.files if file not in present]
