"""Files on this machine keep the contract of every source."""

from __future__ import annotations

from pathlib import Path

import pytest

import launchpad.plugins.files
from launchpad.catalog.model import Build
from launchpad.plugins.files.source import Files
from launchpad.testing import PluginContract, SourceContract


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.files


class TestSource(SourceContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self._path = tmp_path / "model.gguf"
        self._path.write_bytes(b"GGUF" * 100)

    def source(self) -> Files:
        return Files()

    def build(self) -> Build:
        return Build(ref=self._path.as_uri(), format="gguf", quantization="Q4_1")
