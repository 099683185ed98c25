"""The Hub keeps the contract of every source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import launchpad.plugins.huggingface
from launchpad.catalog.model import Build
from launchpad.plugins.huggingface.source import HuggingFace
from launchpad.testing import PluginContract, SourceContract
from launchpad.testing.hub import SimulatedHub


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.huggingface


class TestSource(SourceContract):
    @pytest.fixture(autouse=True)
    def _hub(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with SimulatedHub() as hub:
            hub.add_model("org/m-GGUF", {"m-Q4_K_M.gguf": b"GGUF" * 100})
            monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
            monkeypatch.setenv("HF_TOKEN", "hf_CANARY")
            yield

    def source(self) -> HuggingFace:
        return HuggingFace()

    def build(self) -> Build:
        return Build(ref="hf://org/m-GGUF:Q4_K_M", format="gguf", quantization="Q4_K_M")
