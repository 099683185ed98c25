"""Whether plugins of others may be there: a quick look for `launchpad --help`, which imports this and next to nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from launchpad.folders import folder


def any_third_party() -> bool:
    """Whether a third-party plugin may be there, erring on the side of yes."""
    config = folder("config")
    return bool(
        os.environ.get("LAUNCHPAD_PLUGIN_PATH")
        or os.path.isdir(f"{config}/plugins")  # noqa: PTH112 -- pathlib is a tenth of `--help`
        or _holds(f"{config}/config.toml", b"paths")
        or any(_holds(file, b"launchpad.v") for file in _entry_point_files())
    )


def _entry_point_files() -> Iterator[str]:
    """Without importlib.metadata, whose import takes longer than all the rest of `--help`."""
    for entry in dict.fromkeys(sys.path):
        with suppress(OSError):
            for name in os.listdir(entry or "."):  # noqa: PTH208 -- no Path for each of thousands of names
                if name.endswith((".dist-info", ".egg-info")):
                    yield f"{entry or '.'}/{name}/entry_points.txt"


def _holds(file: str, text: bytes) -> bool:
    try:
        with open(file, "rb") as opened:  # noqa: PTH123
            return text in opened.read()
    except OSError:
        return False
