"""The packaged catalog keeps the contract of every catalog."""

from __future__ import annotations

import launchpad.plugins.packaged
from launchpad.plugins.packaged import PackagedCatalog
from launchpad.testing import CatalogContract, PluginContract


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.packaged


class TestCatalog(CatalogContract):
    def catalog(self) -> PackagedCatalog:
        return PackagedCatalog()
