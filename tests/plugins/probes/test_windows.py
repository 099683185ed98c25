"""Registry values as Windows keeps them for display adapters; the machines are simulated."""

from __future__ import annotations

import pytest

from launchpad.plugins.probes import memory as memory_module
from launchpad.plugins.probes.memory import System
from launchpad.plugins.probes.windows import WindowsGpuProbe

GIB = 2**30
RX_7800_XT = {
    "DriverDesc": "AMD Radeon RX 7800 XT",
    "DriverVersion": "32.0.12033.1030",
    "MatchingDeviceId": r"PCI\VEN_1002&DEV_747E",
    "HardwareInformation.qwMemorySize": 17163091968,
}
IRIS_XE = {
    "DriverDesc": "Intel(R) Iris(R) Xe Graphics",
    "MatchingDeviceId": r"PCI\VEN_8086&DEV_A7A0",
    "HardwareInformation.qwMemorySize": 134217728,
}
NVIDIA = {"DriverDesc": "NVIDIA GeForce RTX 4090", "MatchingDeviceId": r"pci\ven_10de&dev_2684"}
VIRTUAL = {"DriverDesc": "Microsoft Remote Display Adapter"}


@pytest.fixture(autouse=True)
def simulated_host(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(total=32 * GIB, available=20 * GIB, swap_free=0)
    monkeypatch.setattr(memory_module, "read_system", lambda: system)


def test_adapters():
    result = WindowsGpuProbe(lambda: [NVIDIA, RX_7800_XT, VIRTUAL, IRIS_XE]).probe()
    card, chip = result.accelerators
    assert (card.index, card.vendor, card.name) == (0, "amd", "AMD Radeon RX 7800 XT")
    assert (card.memory_total, card.memory_free, card.unified) == (17163091968, None, False)
    assert card.driver == "32.0.12033.1030"
    assert (chip.index, chip.vendor, chip.unified) == (0, "intel", True)
    assert (chip.memory_total, chip.memory_free) == (16 * GIB, 16 * GIB)
    assert {fact.subject.split(".")[1] for fact in result.facts} == {"0", "1"}


def test_elsewhere_there_is_no_registry():
    assert WindowsGpuProbe(list).probe().accelerators == ()
