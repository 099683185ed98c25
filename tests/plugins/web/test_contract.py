"""The web keeps the contract of every source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

import launchpad.plugins.web
from launchpad.catalog.model import Build
from launchpad.plugins.web.source import Web
from launchpad.testing import PluginContract, SourceContract
from launchpad.testing.hub import SimulatedHub

CONTENT = b"GGUF" * 100


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.web


class TestSource(SourceContract):
    url = ""

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with SimulatedHub() as hub:
            self.url = hub.add("/files/m-Q4_K_M.gguf", CONTENT)
            yield

    def source(self) -> Web:
        return Web()

    def build(self) -> Build:
        digest = hashlib.sha256(CONTENT).hexdigest()
        return Build(ref=f"{self.url}#sha256={digest}", format="gguf", quantization="Q4_K_M")
