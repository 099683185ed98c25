"""Intel GPUs on Linux, from what the i915 and xe drivers write under /sys.

Neither driver tells how much of a card's memory is in use, so the free memory of a card stays unknown unless the
driver's newer files say it; the engine's own list of devices then decides.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from launchpad.plugins import Accelerator, Api, Fact, ProbeResult, facts_about
from launchpad.plugins.probes.drm import DrmCard, cards, pci_name
from launchpad.plugins.probes.files import ROOT, number
from launchpad.plugins.probes.memory import usable

_PCI_VENDOR = 0x8086
# PCI device -> name, where the machine has no list of PCI ids (containers). Names as in pci.ids (pci-ids.ucw.cz),
# devices as in the Linux kernel (include/drm/intel/pciids.h); "Intel Graphics" alone would be no name.
_CARDS = {
    0x5690: "Arc A770M",
    0x5691: "Arc A730M",
    0x5692: "Arc A550M",
    0x5693: "Arc A370M",
    0x5694: "Arc A350M",
    0x5696: "Arc A570M",
    0x5697: "Arc A530M",
    0x56A0: "Arc A770",
    0x56A1: "Arc A750",
    0x56A2: "Arc A580",
    0x56A5: "Arc A380",
    0x56A6: "Arc A310",
    0x56B0: "Arc Pro A30M",
    0x56B1: "Arc Pro A40/A50",
    0x56B2: "Arc Pro A60M",
    0x56B3: "Arc Pro A60",
    0x56C0: "Data Center GPU Flex 170",
    0x56C1: "Data Center GPU Flex 140",
    0xE20B: "Arc B580",
    0xE20C: "Arc B570",
    0xE211: "Arc Pro B60",
    0xE212: "Arc Pro B50",
    0xE222: "Arc Pro B65",
    0xE223: "Arc Pro B70",
}
# Where pci.ids says only "Intel Arc Graphics" or names two products, the processor's name says more.
_IN_PROCESSOR = {
    0x46A6: "Iris Xe Graphics",
    0x46A8: "Iris Xe Graphics",
    0x64A0: "Lunar Lake Graphics",
    0x7D51: "Arrow Lake-H Graphics",
    0x7D55: "Meteor Lake-H Graphics",
    0x9A49: "Iris Xe Graphics",
    0xA7A0: "Iris Xe Graphics",
    0xA7A1: "Iris Xe Graphics",
    0xB080: "Arc B390",
    0xB081: "Arc B370",
    0xB082: "Arc B390",
    0xB083: "Arc B370",
    0xB084: "Arc Pro B390",
    0xB085: "Arc Pro B370",
    0xB086: "Arc Pro B390",
    0xB087: "Arc Pro B370",
}
_SYCL_DRIVERS = ("xe",)
# Mesa's Vulkan driver offers three quarters of the main memory (half on small machines) to a GPU without its own.
_SMALL_MACHINE = 4 * 2**30


class IntelProbe(Struct, frozen=True):
    """Reads /sys/class/drm."""

    root: Path = ROOT
    name: str = "intel"

    def probe(self) -> ProbeResult:
        """Every Intel GPU, discrete or in the processor."""
        accelerators: list[Accelerator] = []
        facts: list[Fact] = []
        for i, card in enumerate(cards(self.root, _PCI_VENDOR)):
            accelerator, sources = _accelerator(self.root, card, i)
            accelerators.append(accelerator)
            facts += facts_about(f"accelerators.{i}", accelerator, "/sys/class/drm", sources)
        return ProbeResult(accelerators=tuple(accelerators), facts=tuple(facts))


def _accelerator(root: Path, card: DrmCard, index: int) -> tuple[Accelerator, dict[str, str]]:
    name, named_by = _name(root, card.device)
    unified = _is_integrated(card)
    total, free, evidence = _shared(root) if unified else _own(card)
    accelerator = Accelerator(
        index=index,
        vendor="intel",
        name=name,
        apis=_apis(card),
        memory_total=total,
        memory_free=free,
        unified=unified,
        driver=card.driver,
        display=card.display,
        pci=card.pci,
    )
    sources = dict.fromkeys(("memory_total", "memory_free"), evidence)
    return accelerator, sources | {"name": named_by, "unified": "the PCI address"}


def _is_integrated(card: DrmCard) -> bool:
    """Intel's integrated GPU always sits at device 2 of the first bus; cards sit behind a bridge."""
    if card.device in _CARDS:
        return False
    return card.device in _IN_PROCESSOR or (card.pci or "").endswith(":00:02.0")


def _apis(card: DrmCard) -> tuple[Api, ...]:
    if card.render is None:
        return ()
    known = card.device in _CARDS or card.device in _IN_PROCESSOR
    return ("sycl", "vulkan") if known or card.driver in _SYCL_DRIVERS else ("vulkan",)


def _own(card: DrmCard) -> tuple[int | None, int | None, str]:
    """(total, free, evidence) of a card's memory, from the files that some versions of the drivers write."""
    tiles = [number(path) for path in card.folder.glob("tile*/physical_vram_size_bytes")]
    sizes = [size for size in tiles if size is not None]
    if sizes:
        return sum(sizes), None, f"{card.folder}/tile*/physical_vram_size_bytes"
    total, free = number(card.card / "lmem_total_bytes"), number(card.card / "lmem_avail_bytes")
    return total, free, f"{card.card}/lmem_*_bytes"


def _shared(root: Path) -> tuple[int | None, int | None, str]:
    total, available = usable(root)
    most = total // 2 if total <= _SMALL_MACHINE else total * 3 // 4
    return most, min(most, available), "main memory, as much of it as Mesa's Vulkan driver offers"


def _name(root: Path, device: int) -> tuple[str, str]:
    if name := _CARDS.get(device) or _IN_PROCESSOR.get(device):
        return name, "the driver's list of PCI ids"
    if name := pci_name(root, _PCI_VENDOR, device):
        return name, "pci.ids"
    return f"Intel GPU {_PCI_VENDOR:04x}:{device:04x}", "PCI id"
