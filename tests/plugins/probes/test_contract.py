"""Every built-in probe of this operating system keeps the contract of every probe."""

from __future__ import annotations

import pytest

import launchpad.plugins.probes
from launchpad.plugins.probes import launchpad_probes
from launchpad.plugins.spec import HardwareProbe
from launchpad.testing import PluginContract, ProbeContract


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.probes


@pytest.mark.parametrize("name", [probe.name for probe in launchpad_probes()])
class TestProbe(ProbeContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self._name = name

    def probe(self) -> HardwareProbe:
        return next(probe for probe in launchpad_probes() if probe.name == self._name)
