"""One machine is captured; the other trees are written after what i915 and xe show under /sys."""

from __future__ import annotations

import pytest

from launchpad.plugins.probes import memory as memory_module
from launchpad.plugins.probes.intel import IntelProbe
from launchpad.plugins.probes.memory import System

GIB = 2**30


@pytest.fixture(autouse=True)
def simulated_host(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(total=32 * GIB, available=20 * GIB, swap_free=0)
    monkeypatch.setattr(memory_module, "read_system", lambda: system)


def card(
    number: int, device: str, pci: str, driver: str, more: dict[str, str] | None = None
) -> dict[str, str]:
    base = f"sys/class/drm/card{number}"
    return {
        f"{base}/device/vendor": "0x8086",
        f"{base}/device/device": f"0x{device}",
        f"{base}/device/uevent": f"DRIVER={driver}\nPCI_SLOT_NAME={pci}\n",
        f"{base}/device/drm/renderD{128 + number}/dev": "226:128",
    } | {f"{base}/{name}": text for name, text in (more or {}).items()}


def test_a_card_whose_driver_tells_no_memory(tree):
    (found,) = IntelProbe(tree(card(0, "e20b", "0000:03:00.0", "xe"))).probe().accelerators
    assert (found.name, found.unified, found.apis) == ("Arc B580", False, ("sycl", "vulkan"))
    assert (found.memory_total, found.memory_free) == (None, None)
    assert (found.driver, found.pci) == ("xe", "0000:03:00.0")


def test_a_card_whose_driver_tells_its_size(tree):
    more = {"device/tile0/physical_vram_size_bytes": str(16 * GIB)}
    result = IntelProbe(tree(card(1, "56a0", "0000:03:00.0", "xe", more))).probe()
    (found,) = result.accelerators
    assert (found.name, found.memory_total, found.memory_free) == ("Arc A770", 16 * GIB, None)
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert evidence["accelerators.0.memory_total"].endswith("tile*/physical_vram_size_bytes")


def test_a_driver_that_tells_what_is_free(tree):
    more = {"lmem_total_bytes": str(16 * GIB), "lmem_avail_bytes": str(15 * GIB)}
    (found,) = IntelProbe(tree(card(0, "56a0", "0000:03:00.0", "i915", more))).probe().accelerators
    assert (found.memory_total, found.memory_free) == (16 * GIB, 15 * GIB)


def test_a_gpu_in_the_processor_shares_the_main_memory(tree):
    (found,) = IntelProbe(tree(card(0, "a7a0", "0000:00:02.0", "i915"))).probe().accelerators
    assert (found.name, found.unified) == ("Iris Xe Graphics", True)
    assert (found.memory_total, found.memory_free) == (24 * GIB, 20 * GIB)


def test_an_unknown_gpu_is_called_by_its_number(tree):
    (found,) = IntelProbe(tree(card(0, "3e92", "0000:00:02.0", "i915"))).probe().accelerators
    assert (found.name, found.unified, found.apis) == ("Intel GPU 8086:3e92", True, ("vulkan",))


def test_an_unknown_gpu_is_called_as_the_systems_list_does(tree):
    ids = {"usr/share/misc/pci.ids": "8086  Intel Corporation\n\t3e92  CoffeeLake-S GT2 [UHD Graphics 630]\n"}
    (found,) = IntelProbe(tree(card(0, "3e92", "0000:00:02.0", "i915") | ids)).probe().accelerators
    assert found.name == "UHD Graphics 630"


def test_a_captured_gpu_in_a_processor(tree, captured_files):
    files = captured_files("sysfs/uhd-620.json")
    # The capture has no files for the numbers that its uevent gives as PCI_ID=8086:5917.
    numbers = {
        "sys/class/drm/card1/device/vendor": "0x8086\n",
        "sys/class/drm/card1/device/device": "0x5917\n",
    }
    (found,) = IntelProbe(tree(files | numbers)).probe().accelerators
    assert (found.name, found.driver, found.pci) == ("Intel GPU 8086:5917", "i915", "0000:00:02.0")
    assert (found.unified, found.display) == (True, True)


def test_a_new_gpu_in_a_processor_is_no_card_though_its_name_sounds_like_one(tree):
    (found,) = IntelProbe(tree(card(0, "b080", "0000:00:02.0", "xe"))).probe().accelerators
    assert (found.name, found.unified, found.apis) == ("Arc B390", True, ("sycl", "vulkan"))


def test_without_any(tree):
    assert IntelProbe(tree({})).probe().accelerators == ()
