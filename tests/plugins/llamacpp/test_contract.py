"""The embedded engine keeps the contract of every backend."""

from __future__ import annotations

from pathlib import Path

import pytest

import launchpad.plugins.llamacpp
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.testing import BackendContract, PluginContract


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.llamacpp


class TestBackend(BackendContract):
    def backend(self) -> LlamaCpp:
        return LlamaCpp()


@pytest.mark.engine
class TestBackendWithItsEngine(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, smollm2: Path) -> None:
        self._path = smollm2

    def backend(self) -> LlamaCpp:
        return LlamaCpp()

    def model_file(self) -> Path:
        return self._path
