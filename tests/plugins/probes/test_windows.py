"""Registry values written as Windows keeps them for display adapters; none is captured."""

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


def only(**values: object):
    (found,) = WindowsGpuProbe(lambda: [RX_7800_XT | values]).probe().accelerators
    return found


# Names as AMD's driver gives them.
@pytest.mark.parametrize(
    "name",
    [
        "AMD Radeon(TM) Graphics",
        "AMD Radeon 780M Graphics",
        "AMD Radeon(TM) 8060S Graphics",
        "AMD Radeon(TM) Vega 8 Graphics",
        "AMD Radeon RX Vega 11 Graphics",
    ],
)
def test_firmware_may_set_much_aside_for_a_gpu_in_a_processor(name: str):
    # 8448 MiB is what a Radeon 780M reported whose firmware set 8 GiB aside (github.com/AlexsJones/llmfit/pull/817).
    found = only(**{"DriverDesc": name, "HardwareInformation.qwMemorySize": 8448 * 2**20})
    assert found.unified
    assert (found.memory_total, found.memory_free) == (8448 * 2**20 + 16 * GIB, None)


@pytest.mark.parametrize("name", ["AMD Radeon RX 6700M", "AMD Radeon RX Vega 64", "AMD Radeon Pro W7800"])
def test_a_card_is_no_gpu_in_a_processor(name: str):
    assert not only(DriverDesc=name).unified


@pytest.mark.parametrize("size", [(8 * GIB).to_bytes(8, "little"), 8 * GIB])
def test_some_drivers_write_the_size_as_bytes(size: object):
    # As seen in github.com/Jinjinov/Hardware.Info/pull/41.
    assert only(**{"HardwareInformation.qwMemorySize": size}).memory_total == 8 * GIB


@pytest.mark.parametrize("size", [b"odd", "8", -1, 0, None])
def test_a_size_in_another_shape_is_unknown(size: object):
    assert only(**{"HardwareInformation.qwMemorySize": size}).unified
