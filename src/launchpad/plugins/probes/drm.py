"""Graphics cards as Linux lists them under /sys/class/drm, whoever made them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from launchpad.plugins.probes.files import number, text, whole

_PCI_IDS = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids", "usr/share/pci.ids")


class DrmCard(Struct, frozen=True, kw_only=True):
    """A card of one maker. `folder` is its PCI device's folder in sysfs, `render` the minor number that programs
    without a screen open (None: it can only show pictures).
    """

    folder: Path
    card: Path
    device: int
    revision: int
    pci: str | None
    driver: str | None
    render: int | None
    display: bool


def cards(root: Path, vendor: int) -> list[DrmCard]:
    """The cards of the maker with this PCI `vendor` number, in the order of their PCI addresses."""
    found = (_card(card) for card in root.glob("sys/class/drm/card[0-9]*") if card.name[4:].isdecimal())
    mine = [card for card in found if card is not None and number(card.folder / "vendor") == vendor]
    return sorted(mine, key=lambda card: (card.pci or "", card.card.name))


def _card(card: Path) -> DrmCard | None:
    folder = card / "device"
    device = number(folder / "device")
    if device is None:
        return None
    event = dict(line.split("=", 1) for line in (text(folder / "uevent") or "").splitlines() if "=" in line)
    return DrmCard(
        folder=folder,
        card=card,
        device=device,
        revision=number(folder / "revision") or 0,
        pci=event.get("PCI_SLOT_NAME"),
        driver=event.get("DRIVER"),
        render=_render(folder),
        display=any(text(status) == "connected" for status in card.glob(f"{card.name}-*/status")),
    )


def _render(folder: Path) -> int | None:
    minors = [whole(path.name.removeprefix("renderD")) for path in folder.glob("drm/renderD*")]
    return min((minor for minor in minors if minor is not None), default=None)


def pci_name(root: Path, vendor: int, device: int) -> str | None:
    """The product's name in the system's list of PCI ids: what stands in brackets, if that is one product."""
    for path in _PCI_IDS:
        for name in _names(text(root / path) or "", f"{vendor:04x}", f"{device:04x}"):
            match = re.search(r"\[([^\]/]+)\]$", name)
            return match[1] if match else None
    return None


def _names(pci_ids: str, vendor: str, device: str) -> Iterator[str]:
    """The names that the text of a pci.ids file gives a device; its vendor's section is searched alone."""
    start = pci_ids.find(f"\n{vendor}  ")
    if start < 0 and pci_ids.startswith(f"{vendor}  "):
        start = 0
    if start < 0:
        return
    for line in pci_ids[start + 1 :].split("\n")[1:]:
        if line and line[0] not in "\t#":
            return
        if line.startswith(f"\t{device}  "):
            yield line[1:].partition("  ")[2].strip()
