from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes.drm import _names, cards, pci_name


def test_connectors_and_render_nodes_are_no_cards(tree):
    device = {"vendor": "0x1002", "device": "0x744c"}
    files = {
        f"sys/class/drm/{name}/device/{key}": value
        for name in ("card0", "card0-DP-1", "renderD128")
        for key, value in device.items()
    }
    assert [card.card.name for card in cards(tree(files), 0x1002)] == ["card0"]


@pytest.mark.parametrize(
    ("device", "name"), [(0x56A0, "Arc A770"), (0x0001, None), (0x0002, None), (0x9999, None)]
)
def test_pci_name(tree, device: int, name: str | None):
    ids = "# c\n8086  Intel Corporation\n\t0001  No brackets\n\t0002  Two [One/Other]\n\t56a0  DG2 [Arc A770]\n10de  NVIDIA\n\t9999  X [Y]\n"
    assert pci_name(tree({"usr/share/hwdata/pci.ids": ids}), 0x8086, device) == name


@given(st.text())
def test_no_list_breaks_the_parser(text: str):
    list(_names(text, "8086", "56a0"))
