"""The Ollama backend keeps the contract of every backend; with a real server too, where one can be started."""

from __future__ import annotations

from pathlib import Path

import pytest

import launchpad.plugins.ollama
from launchpad.plugins.ollama.backend import Ollama
from launchpad.testing import BackendContract, PluginContract


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own server must not answer."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.ollama


class TestBackend(BackendContract):
    def backend(self) -> Ollama:
        return Ollama()


class TestRemoteBackend(BackendContract):
    def backend(self) -> Ollama:
        return Ollama({"OLLAMA_HOST": "gpu-box.invalid"})

    def test_its_status_is_helpful_on_every_machine(self) -> None:
        """Only imagined machines are asked about, and they have no remote server."""
        super().test_its_status_is_helpful_on_every_machine()

    def test_what_it_holds_is_possible_and_needs_no_network(self) -> None:
        """A remote store is asked over the network, by design: this rule is for what is here."""


@pytest.mark.engine
class TestBackendWithItsServer(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, smollm2: Path, real_ollama: Path) -> None:
        self._path = smollm2

    def backend(self) -> Ollama:
        return Ollama()

    def model_file(self) -> Path:
        return self._path
