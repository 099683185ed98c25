"""Jan's model folder: `<data>/llamacpp/models/**/*.gguf`, read in place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from launchpad.plugins import (
    Build,
    LocalModel,
    PullError,
    Reachability,
    Resolved,
    UsageError,
    check_name,
    quantization_of,
)

_PREFIX = "jan://"


class Jan:
    """What Jan has fetched. Owns `jan://` and the path below Jan's model folder."""

    name = "jan"
    schemes = frozenset({"jan"})

    def reachable(self, timeout: float) -> Reachability:
        """Always: it is a folder, and an absent one is an empty one."""
        return Reachability(ok=True)

    def resolve(self, build: Build) -> Resolved:
        """Find the file. Raises `UsageError` for a bad reference, `PullError` when nothing is there."""
        relative = build.ref.removeprefix(_PREFIX)
        if not build.ref.startswith(_PREFIX) or not relative.lower().endswith(".gguf"):
            raise UsageError(
                f"{build.ref!a} is not a reference to a model of Jan's.",
                why="The form is jan://folder/model.gguf.",
                hint="`launchpad list` shows what Jan has.",
            )
        path = models_folder() / check_name(relative)
        if not path.is_file():
            raise PullError(
                f"Jan has no model at {relative}.",
                why=f"There is no such file below {models_folder()}.",
                hint="`launchpad list` shows what Jan has.",
            )
        return Resolved(ref=build.ref, folder="", revision="", files=(), entry=str(path), build=build)

    def local(self) -> Iterable[LocalModel]:
        """All GGUF models below the folder; parts of a split model count with their first file."""
        folder = models_folder()
        for path in sorted(folder.rglob("*.gguf")):
            if path.is_file() and not _is_later_part(path):
                yield LocalModel(
                    ref=_PREFIX + path.relative_to(folder).as_posix(),
                    path=str(path),
                    size=path.stat().st_size,
                    format="gguf",
                    owner="jan",
                    quantization=quantization_of(path.name),
                )


def models_folder() -> Path:
    """Where Jan keeps its models: `JAN_DATA_FOLDER`, else the app's data folder of this system."""
    own = os.environ.get("JAN_DATA_FOLDER")
    data = Path(own).expanduser() if own else platformdirs.user_data_path("Jan", False, roaming=True) / "data"
    return data / "llamacpp" / "models"


def _is_later_part(path: Path) -> bool:
    return "-of-" in path.stem and "-00001-of-" not in path.stem
