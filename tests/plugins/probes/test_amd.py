"""One card and libdrm's list are captured; the other trees are written after what amdgpu and KFD show under /sys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes import memory as memory_module
from launchpad.plugins.probes.amd import (
    AmdProbe,
    gfx_target,
    is_integrated,
    parse_amdgpu_ids,
    parse_properties,
)
from launchpad.plugins.probes.memory import System

GIB = 2**30
MIB = 2**20
AMDGPU_IDS = """\
# List of AMDGPU IDs
#
1.0.0
1586,	C1,	AMD Radeon 8060S Graphics
744C,	C8,	AMD Radeon RX 7900 XTX
744C,	CC,	AMD Radeon RX 7900 XT
"""
PCI_IDS = """\
1002  Advanced Micro Devices, Inc. [AMD/ATI]
	7480  Navi 33 [Radeon RX 7600/7600 XT/7600M XT/7600S/7700S / PRO W7600]
	7550  Navi 48 [Radeon RX 9070 XT]
		1002 0000  A board
10de  NVIDIA Corporation
	7480  Something else [Wrong vendor]
"""


@pytest.fixture(autouse=True)
def simulated_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    system = System(total=64 * GIB, available=20 * GIB, swap_free=0)
    monkeypatch.setattr(memory_module, "read_system", lambda: system)


def card(number: int, device: str, revision: str, pci: str, **files: int | str) -> dict[str, str]:
    folder = f"sys/class/drm/card{number}/device"
    contents = {
        f"{folder}/vendor": "0x1002\n",
        f"{folder}/device": f"0x{device}\n",
        f"{folder}/revision": f"0x{revision}\n",
        f"{folder}/uevent": f"DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:{device}\nPCI_SLOT_NAME={pci}\n",
        f"{folder}/drm/renderD{128 + number}/dev": f"226:{128 + number}\n",
    }
    return contents | {f"{folder}/{name}": f"{value}\n" for name, value in files.items()}


def node(number: int, minor: int, version: int) -> dict[str, str]:
    properties = (
        f"cpu_cores_count 0\nsimd_count 192\ngfx_target_version {version}\ndrm_render_minor {minor}\n"
    )
    return {f"sys/class/kfd/kfd/topology/nodes/{number}/properties": properties}


CPU_NODE = {
    "sys/class/kfd/kfd/topology/nodes/0/properties": "cpu_cores_count 32\ngfx_target_version 0\ndrm_render_minor 0\n"
}
XTX = card(
    1, "744c", "c8", "0000:03:00.0", mem_info_vram_total=25753026560, mem_info_vram_used=1073741824,
    mem_info_gtt_total=33515913216, mem_info_gtt_used=100,
)  # fmt: skip


def test_a_captured_card(tree, captured, captured_files):
    files = captured_files("sysfs/radeon-rx-vega.json")
    ids = {"usr/share/libdrm/amdgpu.ids": captured("sysfs/amdgpu.ids")}
    (found,) = AmdProbe(tree(files | ids)).probe().accelerators
    assert (found.name, found.driver, found.pci) == ("AMD Radeon RX Vega", "amdgpu", "0000:09:00.0")
    assert (found.memory_total, found.memory_free) == (8573157376, 8573157376 - 1490378752)
    assert not found.unified
    assert found.apis == ()  # the capture has no render node


def test_a_captured_card_whose_product_name_is_empty(tree, captured_files):
    (found,) = AmdProbe(tree(captured_files("sysfs/radeon-rx-vega.json"))).probe().accelerators
    assert found.name == "AMD GPU 1002:687f"


def test_captured_names(captured):
    names = parse_amdgpu_ids(captured("sysfs/amdgpu.ids"))
    assert len(names) == 20
    assert names[0x744C, 0xC8] == "AMD Radeon RX 7900 XTX"
    assert names[0x15BF, 0xC5] == "AMD Radeon 740M"
    assert names[0x163F, 0xAE] == "AMD Custom GPU 0405"


def test_a_card_with_its_name_target_and_free_memory(tree):
    screen = {
        "sys/class/drm/card1/card1-DP-1/status": "connected\n",
        "sys/class/drm/card1/card1-DP-2/status": "disconnected\n",
    }
    root = tree(XTX | CPU_NODE | node(1, 129, 110000) | screen | {"usr/share/libdrm/amdgpu.ids": AMDGPU_IDS})
    result = AmdProbe(root).probe()
    (found,) = result.accelerators
    assert (found.name, found.arch, found.pci) == ("AMD Radeon RX 7900 XTX", "gfx1100", "0000:03:00.0")
    assert (found.memory_total, found.memory_free) == (25753026560, 25753026560 - 1073741824)
    assert (found.unified, found.display, found.driver) == (False, True, "amdgpu")
    assert found.apis == ("rocm", "vulkan")
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert evidence["accelerators.0.name"] == "/usr/share/libdrm/amdgpu.ids"
    assert "kfd" in evidence["accelerators.0.arch"]


def test_strix_halo_counts_its_own_and_the_borrowed_memory_but_no_more_than_is_free(tree):
    halo = card(
        0, "1586", "c1", "0000:c3:00.0", mem_info_vram_total=512 * MIB, mem_info_vram_used=112 * MIB,
        mem_info_gtt_total=48 * GIB, mem_info_gtt_used=GIB,
    )  # fmt: skip
    (found,) = (
        AmdProbe(tree(halo | node(1, 128, 110501) | {"usr/share/libdrm/amdgpu.ids": AMDGPU_IDS}))
        .probe()
        .accelerators
    )
    assert (found.name, found.arch, found.unified) == ("AMD Radeon 8060S Graphics", "gfx1151", True)
    assert found.memory_total == 48 * GIB + 512 * MIB
    assert found.memory_free == 400 * MIB + 20 * GIB


def test_without_kfd_the_target_is_unknown_and_rocm_is_not_offered(tree):
    (found,) = AmdProbe(tree(XTX)).probe().accelerators
    assert (found.arch, found.apis, found.name) == (None, ("vulkan",), "AMD GPU 1002:744c")
    assert not found.unified


def test_without_kfd_a_tiny_memory_of_its_own_means_a_gpu_in_the_processor(tree):
    small = card(
        0, "15bf", "01", "0000:c1:00.0", mem_info_vram_total=512 * MIB, mem_info_vram_used=0,
        mem_info_gtt_total=30 * GIB, mem_info_gtt_used=0,
    )  # fmt: skip
    (found,) = AmdProbe(tree(small)).probe().accelerators
    assert found.unified


def test_names_from_pci_ids_only_where_they_name_one_product(tree):
    ids = {"usr/share/hwdata/pci.ids": PCI_IDS}
    one = card(0, "7550", "c0", "0000:03:00.0")
    several = card(1, "7480", "cf", "0000:0a:00.0")
    found = AmdProbe(tree(one | several | ids)).probe().accelerators
    assert [each.name for each in found] == ["Radeon RX 9070 XT", "AMD GPU 1002:7480"]


def test_a_card_that_only_shows_pictures_has_no_api(tree):
    files = {name: text for name, text in XTX.items() if "renderD" not in name}
    (found,) = AmdProbe(tree(files)).probe().accelerators
    assert found.apis == ()


def test_unreadable_figures_are_unknown(tree):
    (found,) = (
        AmdProbe(tree(card(0, "744c", "c8", "0000:03:00.0", mem_info_vram_total="?"))).probe().accelerators
    )
    assert (found.memory_total, found.memory_free) == (None, None)


def test_cards_are_ordered_by_their_address_and_can_be_hidden(tree, monkeypatch: pytest.MonkeyPatch):
    second = card(0, "744c", "cc", "0000:0b:00.0")
    root = tree(XTX | second | {"usr/share/libdrm/amdgpu.ids": AMDGPU_IDS})
    assert [c.name[-3:] for c in AmdProbe(root).probe().accelerators] == ["XTX", " XT"]
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1")
    result = AmdProbe(root).probe()
    assert [(c.index, c.name) for c in result.accelerators] == [(1, "AMD Radeon RX 7900 XT")]
    assert any(fact.subject == "amd.hidden" for fact in result.facts)


def test_other_makers_cards_are_not_ours(tree):
    root = tree(
        {"sys/class/drm/card0/device/vendor": "0x10de", "sys/class/drm/card0/device/device": "0x2684"}
    )
    assert AmdProbe(root).probe().accelerators == ()
    assert AmdProbe(tree({})).probe().accelerators == ()


# Numbers that the kernel's driver gives its chips (drivers/gpu/drm/amd/amdkfd/kfd_device.c).
IN_PROCESSORS = [90002, 90012, 100103, 100303, 100305, 100306, 110003, 110500, 110501, 110502, 110503]
ON_CARDS = [80003, 90000, 90006, 90008, 90010, 100100, 100300, 100302, 100304, 110000, 110001, 110002, 120001]


def test_the_target_tells_whether_a_gpu_is_in_a_processor(tmp_path):
    def integrated(version: int) -> bool:
        return is_integrated(gfx_target(version), "AMD Radeon Graphics", tmp_path)

    assert all(map(integrated, IN_PROCESSORS))
    assert not any(map(integrated, ON_CARDS))


@pytest.mark.parametrize(
    ("version", "target"),
    [(110000, "gfx1100"), (110501, "gfx1151"), (90010, "gfx90a"), (90402, "gfx942"), (100300, "gfx1030"),
     (120001, "gfx1201"), (90012, "gfx90c"), (80003, "gfx803"), (0, None), (-1, None), (10**9, None)],
)  # fmt: skip
def test_gfx_target(version: int, target: str | None):
    assert gfx_target(version) == target


@given(st.text(), st.integers())
def test_no_text_breaks_the_parsers(text: str, version: int):
    parse_amdgpu_ids(text)
    parse_properties(text)
    gfx_target(version)
