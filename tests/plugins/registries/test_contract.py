"""Ollama's registry and OCI registries keep the contract of every source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import launchpad.plugins.registries
from launchpad.catalog.model import Build
from launchpad.plugins.registries.oci import OciRegistries
from launchpad.plugins.registries.ollama import OllamaRegistry
from launchpad.testing import PluginContract, SourceContract
from launchpad.testing.registry import SimulatedRegistry


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.registries


class TestOllama(SourceContract):
    @pytest.fixture(autouse=True)
    def _registry(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with SimulatedRegistry(tokens=True) as registry:
            registry.add_ollama("m:8b", {"model": b"GGUF" * 100, "projector": b"GGUF" * 10})
            monkeypatch.setenv("LAUNCHPAD_REGISTRIES_OLLAMA", registry.endpoint)
            yield

    def source(self) -> OllamaRegistry:
        return OllamaRegistry()

    def build(self) -> Build:
        return Build(ref="ollama://m:8b", format="gguf", quantization="unknown")


class TestOci(SourceContract):
    host = ""

    @pytest.fixture(autouse=True)
    def _registry(self) -> Iterator[None]:
        with SimulatedRegistry() as registry:
            registry.add_artifact(
                "org/m", "q4", {"m.gguf": b"GGUF" * 100}, media_type="application/vnd.docker.ai.gguf.v3"
            )
            self.host = registry.host
            yield

    def source(self) -> OciRegistries:
        return OciRegistries()

    def build(self) -> Build:
        return Build(ref=f"oci://{self.host}/org/m:q4", format="gguf", quantization="unknown")
