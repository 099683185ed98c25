"""Resolving `file://` references: there is nothing to pull, only to find."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from launchpad.plugins import (
    Build,
    LocalModel,
    PullError,
    Reachability,
    Resolved,
    UsageError,
    models_elsewhere,
)


class Files:
    """The file system of this machine."""

    name = "files"
    schemes = frozenset({"file"})

    def reachable(self, timeout: float) -> Reachability:
        """Always: it is here."""
        return Reachability(ok=True, why="on this machine")

    def resolve(self, build: Build) -> Resolved:
        """Find the file or folder. Raises `UsageError` for a bad reference, `PullError` when nothing is there."""
        path = _path(build.ref)
        if not path.exists():
            raise PullError(
                f"There is no model at {path}.",
                why="The file does not exist.",
                hint="Check the path for typing errors.",
            )
        return Resolved(
            ref=build.ref,
            folder="",
            revision="",
            files=(),
            entry=str(path),
            build=build,
        )

    def local(self) -> Iterable[LocalModel]:
        """What other programs keep in their own stores. The rest of the disk is not searched."""
        return models_elsewhere()


def _path(ref: str) -> Path:
    parts = urlsplit(ref)
    path = Path(url2pathname(parts.path) if "%" in parts.path else unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise UsageError(
            f"{ref!a} is not a reference to a file on this machine.",
            why="The form is file:///absolute/path/model.gguf.",
            hint="Give the absolute path of the file, with three slashes after file:.",
        )
    return path
