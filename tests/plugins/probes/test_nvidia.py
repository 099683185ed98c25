"""NVML is simulated at its boundary: an object with pynvml's functions that answers as the driver would."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from launchpad.plugins.probes import memory as memory_module
from launchpad.plugins.probes.memory import System
from launchpad.plugins.probes.nvidia import NvidiaProbe, load_nvml

GIB = 2**30
MIB = 2**20


@pytest.fixture(autouse=True)
def simulated_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    system = System(total=120 * GIB, available=100 * GIB, swap_free=0)
    monkeypatch.setattr(memory_module, "read_system", lambda: system)


class SimulatedNvml:
    """Cards are dictionaries; what a card lacks, the driver answers with "not supported"."""

    NVMLError = pynvml.NVMLError
    NVMLError_NotSupported = pynvml.NVMLError_NotSupported

    def __init__(self, *cards: dict[str, Any], init_error: int | None = None) -> None:
        self.cards = cards
        self.init_error = init_error
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802
        if self.init_error is not None:
            raise pynvml.NVMLError(self.init_error)
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        card = self.cards[index]
        if "lost" in card:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return card

    def nvmlDeviceGetMemoryInfo(self, card: dict[str, Any]) -> SimpleNamespace:  # noqa: N802
        total, free = self._of(card, "memory")
        return SimpleNamespace(total=total, free=free, used=total - free)

    def nvmlDeviceGetPciInfo(self, card: dict[str, Any]) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(busId=self._of(card, "pci"))

    def nvmlDeviceGetMaxMigDeviceCount(self, card: dict[str, Any]) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: dict[str, Any], slot: int) -> Any:  # noqa: N802
        instances = card["instances"]
        if slot >= len(instances):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return instances[slot]

    def __getattr__(self, name: str) -> Any:
        questions = {
            "nvmlDeviceGetName": "name",
            "nvmlDeviceGetUUID": "uuid",
            "nvmlDeviceGetCudaComputeCapability": "capability",
            "nvmlDeviceGetDisplayActive": "display",
            "nvmlDeviceGetMigMode": "mig",
        }
        key = questions[name]
        return lambda card: self._of(card, key)

    @staticmethod
    def _of(card: dict[str, Any], key: str) -> Any:
        if key not in card:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return card[key]


RTX_4090 = {
    "name": "NVIDIA GeForce RTX 4090",
    "uuid": "GPU-4090aaaa",
    "memory": (24564 * MIB, 22000 * MIB),
    "capability": (8, 9),
    "display": 1,
    "pci": "00000000:01:00.0",
    "mig": (0, 0),
}
GB10 = {"name": "NVIDIA GB10", "uuid": "GPU-gb10", "capability": (12, 1), "pci": "0000000F:01:00.0"}


def probe(nvml: Any, root: Any) -> Any:
    return NvidiaProbe(root, lambda: nvml).probe()


def test_a_card(tree):
    nvml = SimulatedNvml(RTX_4090)
    result = probe(nvml, tree({}))
    (card,) = result.accelerators
    assert card.name == "NVIDIA GeForce RTX 4090"
    assert (card.memory_total, card.memory_free) == (24564 * MIB, 22000 * MIB)
    assert (card.arch, card.driver, card.display, card.unified) == ("8.9", "580.95.05", True, False)
    assert card.pci == "0000:01:00.0"
    assert card.apis == ("cuda", "vulkan")
    assert result.warnings == ()
    assert nvml.open == 0
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert evidence["accelerators.0.memory_free"] == "NVML"


def test_old_bindings_answer_with_bytes(tree):
    card = RTX_4090 | {"name": b"Tesla P40\0junk", "pci": b"00000000:02:00.0"}
    (found,) = probe(SimulatedNvml(card), tree({})).accelerators
    assert (found.name, found.pci) == ("Tesla P40", "0000:02:00.0")


def test_a_chip_without_memory_of_its_own_uses_the_machines(tree):
    result = probe(SimulatedNvml(GB10), tree({}))
    (card,) = result.accelerators
    assert card.unified
    assert (card.memory_total, card.memory_free) == (120 * GIB, 100 * GIB)
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert "main memory" in evidence["accelerators.0.memory_free"]


def test_a_partitioned_card_is_its_instances(tree):
    name = "NVIDIA H100 80GB HBM3"
    instances = [
        {"name": f"{name} MIG 1g.10gb", "uuid": "MIG-1", "memory": (9856 * MIB, 9800 * MIB)},
        {"name": f"{name} MIG 3g.40gb", "uuid": "MIG-2", "memory": (40192 * MIB, 40000 * MIB)},
    ]
    card = {"name": name, "uuid": "GPU-h", "memory": (81559 * MIB, 1), "capability": (9, 0), "mig": (1, 1)}
    found = probe(SimulatedNvml(card | {"instances": instances}, RTX_4090), tree({})).accelerators
    assert [(each.index, each.name) for each in found] == [
        (0, f"{name} MIG 1g.10gb"),
        (1, f"{name} MIG 3g.40gb"),
        (2, "NVIDIA GeForce RTX 4090"),
    ]
    assert found[0].memory_free == 9800 * MIB
    assert found[0].arch == "9.0"


def test_hidden_cards_are_left_out_and_told(tree, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    second = RTX_4090 | {"name": "NVIDIA GeForce RTX 3090", "uuid": "GPU-3090"}
    result = probe(SimulatedNvml(RTX_4090, second), tree({}))
    assert [(card.index, card.name) for card in result.accelerators] == [(1, "NVIDIA GeForce RTX 3090")]
    assert any(fact.subject == "nvidia.hidden" and fact.value == "1" for fact in result.facts)


def test_a_lost_card_does_not_hide_the_others(tree):
    result = probe(SimulatedNvml({"lost": True}, RTX_4090), tree({}))
    assert [card.index for card in result.accelerators] == [1]


def test_unknown_stays_unknown(tree):
    class Silent(SimulatedNvml):
        def nvmlDeviceGetMemoryInfo(self, card: dict[str, Any]) -> SimpleNamespace:  # noqa: N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    (card,) = probe(Silent({"name": "NVIDIA X"}), tree({})).accelerators
    assert (card.memory_total, card.memory_free, card.arch, card.display, card.pci) == (
        None,
        None,
        None,
        None,
        None,
    )
    assert not card.unified


def test_no_card_and_no_library_is_no_news(tree):
    result = probe(None, tree({}))
    assert (result.accelerators, result.warnings) == ((), ())


def test_a_card_without_a_driver_is_a_warning(tree):
    root = tree(
        {
            "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de",
            "sys/bus/pci/devices/0000:01:00.0/class": "0x030000",
        }
    )
    (warning,) = probe(None, root).warnings
    assert "driver is not loaded" in warning


def test_an_nvidia_sound_device_is_no_card(tree):
    root = tree(
        {
            "sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de",
            "sys/bus/pci/devices/0000:01:00.1/class": "0x040300",
        }
    )
    assert probe(None, root).warnings == ()


VERSION = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\nGCC version: gcc\n"


def test_a_container_without_the_library_is_a_warning_that_teaches(tree):
    (warning,) = probe(None, tree({"proc/driver/nvidia/version": VERSION})).warnings
    assert "--gpus all" in warning
    assert "580.95.05" in warning


def test_a_driver_that_does_not_match_its_library_is_a_warning(tree):
    nvml = SimulatedNvml(init_error=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    (warning,) = probe(nvml, tree({"proc/driver/nvidia/version": VERSION})).warnings
    assert "RM has detected an NVML/RM version mismatch" in warning or "mismatch" in warning.lower()


def test_a_library_without_a_card_is_no_news(tree):
    nvml = SimulatedNvml(init_error=pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
    assert probe(nvml, tree({})).warnings == ()


def test_jetson_without_nvml(tree):
    root = tree({"proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0"})
    (card,) = probe(None, root).accelerators
    assert (card.name, card.unified, card.memory_free) == ("Jetson AGX Orin Developer Kit", True, 100 * GIB)


@pytest.mark.skipif(sys.platform != "linux", reason="the library's name on Linux")
def test_nothing_is_imported_without_the_drivers_library(monkeypatch: pytest.MonkeyPatch):
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", no_library)
    assert load_nvml() is None


def test_bindings_are_the_real_ones_where_the_library_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert load_nvml() is pynvml
    names = [name for name in dir(SimulatedNvml) if name.startswith("nvml")]
    names += ["nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetCudaComputeCapability"]
    names += ["nvmlDeviceGetDisplayActive", "nvmlDeviceGetMigMode"]
    assert all(hasattr(pynvml, name) for name in names)
