"""ModelScope keeps the contract of every source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import launchpad.plugins.modelscope
from launchpad.catalog.model import Build
from launchpad.plugins.modelscope.source import ModelScope
from launchpad.testing import PluginContract, SourceContract
from launchpad.testing.modelscope import SimulatedModelScope


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.modelscope


class TestSource(SourceContract):
    @pytest.fixture(autouse=True)
    def _server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with SimulatedModelScope() as server:
            server.add_repository("org/m-GGUF", {"m-Q4_K_M.gguf": b"GGUF" * 100})
            monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.endpoint)
            monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms_CANARY")
            yield

    def source(self) -> ModelScope:
        return ModelScope()

    def build(self) -> Build:
        return Build(ref="modelscope://org/m-GGUF:Q4_K_M", format="gguf", quantization="Q4_K_M")
