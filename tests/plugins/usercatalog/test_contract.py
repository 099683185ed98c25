"""The plugin keeps the contract, without and with files of its owner."""

from __future__ import annotations

import pytest

import launchpad.plugins.usercatalog
from launchpad.catalog import own
from launchpad.testing import CatalogContract, PluginContract


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.usercatalog


class TestOwnModels(CatalogContract):
    @pytest.fixture(autouse=True)
    def _file(self) -> None:
        own.folder().mkdir(parents=True)
        (own.folder() / "mine.toml").write_text('id = "mine"\n')

    def catalog(self) -> object:
        (catalog,) = launchpad.plugins.usercatalog.launchpad_catalogs()
        return catalog
