from __future__ import annotations

import sys

import pytest

from launchpad.plugins import HardwareProbe, ProbeResult
from launchpad.plugins.probes import launchpad_probes


def test_the_hook_returns_probes_with_unique_names():
    probes = launchpad_probes()
    assert all(isinstance(probe, HardwareProbe) for probe in probes)
    names = [probe.name for probe in probes]
    assert len(set(names)) == len(names)
    assert {"cpu", "memory"} <= set(names)


def test_every_probe_answers_on_this_machine():
    for probe in launchpad_probes():
        assert isinstance(probe.probe(), ProbeResult)


@pytest.mark.parametrize(
    ("platform", "last"),
    [("darwin", "apple"), ("win32", "windows-gpu"), ("linux", "intel"), ("freebsd14", "intel")],
)
def test_each_system_has_its_probes(monkeypatch: pytest.MonkeyPatch, platform: str, last: str):
    monkeypatch.setattr(sys, "platform", platform)
    assert launchpad_probes()[-1].name == last
