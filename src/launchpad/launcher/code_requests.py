"""Models whose settings ask for code of their own (`auto_map`): refused, since data is all that launchpad gives an engine.

The code itself is never fetched. But a setting that names a class can make an engine load it from elsewhere
(CVE-2025-66448), and an engine that supports a model by itself does not need it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec.structs import replace

from launchpad.errors import RefusedError
from launchpad.plugins.spec import Resolved
from launchpad.pull.names import quote

_SETTINGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
_LARGEST = 16 << 20
_SNAPSHOT = re.compile(r"models--(?P<org>.+?)--(?P<name>.+)")


def refuse_code(folder: Path, allowed: Collection[str] = ()) -> None:
    """Raise `RefusedError` when a setting in `folder` asks for code, unless its revision is in `allowed`."""
    if not folder.is_dir() or revision_of(folder) in allowed:
        return
    for name in _SETTINGS:
        if found := _asks_for(folder / name):
            raise RefusedError(
                f"{folder.name if revision_of(folder) is None else revision_of(folder)} asks for code of its own.",
                why=f"{name} has auto_map: {quote(found)}; launchpad fetches and runs data only.",
                hint="Take a GGUF build of it. If your engine supports the model by itself and you trust this revision: "
                f"launchpad config set run.allow_auto_map {revision_of(folder) or folder}",
            )


def settings_of(resolved: Resolved) -> Resolved | None:
    """The settings files of `resolved` alone, to be read before the weights are fetched; None where it has none."""
    files = tuple(file for file in resolved.files if file.path in _SETTINGS)
    return replace(resolved, files=files, branch=None) if files and resolved.entry == "." else None


def revision_of(folder: Path) -> str | None:
    """`org/repo@revision` of a snapshot in the Hub's layout, None for any other folder."""
    match = _SNAPSHOT.fullmatch(folder.parent.parent.name) if folder.parent.name == "snapshots" else None
    return f"{match['org']}/{match['name']}@{folder.name}" if match else None


def _asks_for(path: Path) -> str | None:
    """The classes that a settings file wants loaded. A file that cannot be read asks for nothing that an engine finds."""
    try:
        with path.open("rb") as file:
            settings = msgspec.json.decode(file.read(_LARGEST))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _search(settings, depth=4)


def _search(settings: object, depth: int) -> str | None:
    """`auto_map` anywhere: vision and text parts of a model have settings of their own inside."""
    if not isinstance(settings, dict) or depth == 0:
        return None
    wanted = settings.get("auto_map")
    if wanted:
        return ", ".join(str(value) for value in wanted.values()) if isinstance(wanted, dict) else str(wanted)
    return next((found for value in settings.values() if (found := _search(value, depth - 1))), None)
