"""A simulated /proc and /sys: a folder that the probes take for the file system's root.

Its files are written by a test or, where a test says so, captured on real machines (`data/README.md`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Tree = Callable[[Mapping[str, str]], Path]
DATA = Path(__file__).parent / "data"


@pytest.fixture
def captured() -> Callable[[str], str]:
    """The text of a file under `data/`."""
    return lambda name: (DATA / name).read_text(encoding="utf-8")


@pytest.fixture
def captured_files() -> Callable[[str], dict[str, str]]:
    """Several files of one machine, path -> text, from a JSON file under `data/`."""
    return lambda name: json.loads((DATA / name).read_text(encoding="utf-8"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Write files below a new root and return that root."""

    def write(contents: Mapping[str, str]) -> Path:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, content in contents.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return root

    return write
