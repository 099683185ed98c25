"""What the models on this machine take on the disk: shared bytes count once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from launchpad.catalog.model import LocalModel
from launchpad.paths import hub_cache
from launchpad.pull.garbage import find_garbage
from launchpad.pull.inventory import all_files


class ModelUsage(Struct, frozen=True, kw_only=True):
    """A model and the bytes that are its own: those that an earlier one of the list has, too, are counted there."""

    ref: str
    owner: str
    path: str
    size: int


class DiskUsage(Struct, frozen=True, kw_only=True):
    """All models, the bytes per owner, what `gc` would free, and the room that is left. Bytes."""

    models: tuple[ModelUsage, ...]
    owners: dict[str, int]
    garbage: int
    free: int | None
    folder: str


def disk_usage(models: Sequence[LocalModel]) -> DiskUsage:
    """Look at every file of `models`; nothing is read."""
    seen: set[tuple[int, int]] = set()
    rows, owners = [], dict[str, int]()
    files = [model for model in models if model.format not in ("ollama", "served")]
    names = {model.ref for model in files}
    unseen = [model for model in models if model.format == "ollama" and model.ref not in names]
    for model in sorted([*files, *unseen], key=lambda model: (model.owner, model.ref)):
        # What only Ollama's own word tells of cannot be looked at: it has the size that Ollama states.
        own = [_own_bytes(path, seen) for path in _files(model)]
        size = model.size if model.format == "ollama" else sum(own)
        rows.append(ModelUsage(ref=model.ref, owner=model.owner, path=model.path, size=size))
        owners[model.owner] = owners.get(model.owner, 0) + size
    return DiskUsage(
        models=tuple(rows),
        owners=owners,
        garbage=sum(item.size for item in find_garbage() if item.ours),
        free=_free(hub_cache()),
        folder=str(_nearest(hub_cache())),
    )


def _files(model: LocalModel) -> list[Path]:
    if model.format == "ollama":
        return []
    try:
        return all_files(model)
    except OSError:
        return []


def _own_bytes(path: Path, seen: set[tuple[int, int]]) -> int:
    try:
        info = path.stat()
    except OSError:
        return 0
    key = (info.st_dev, info.st_ino)
    if key in seen:
        return 0
    seen.add(key)
    return info.st_size


def _nearest(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(os.fspath(_nearest(path))).free
    except OSError:
        return None
