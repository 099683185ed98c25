"""A real Ollama, where there is one; tests that need it are named as not run where there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REAL = os.environ.get("LAUNCHPAD_TEST_OLLAMA") or shutil.which("ollama")  # read before tests are shielded


@pytest.fixture
def real_ollama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program `ollama` (LAUNCHPAD_TEST_OLLAMA, or on the PATH), with a store of its own and no server that runs."""
    if REAL is None:
        pytest.skip("no Ollama is installed here: set LAUNCHPAD_TEST_OLLAMA to its program")
    monkeypatch.setenv("PATH", f"{Path(REAL).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    return Path(REAL)
