"""A user's file with `[backends.NAME]`, and a file that a launch takes for a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.config import user_config_path


@pytest.fixture
def configure(private_home: Path) -> Callable[[str], Path]:
    """Write the user's own file."""

    def write(text: str) -> Path:
        path = user_config_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A well-formed header: what the simulated engine needs no weights for."""
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf())
    return path
