from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.hardware.devices import keys, look_up, nearest, table, tokens

GIB = 2**30
MIB = 2**20

# (vendor, what the driver says, memory in MiB, arch, the device's row); names and sizes as drivers report them.
DRIVERS = [
    ("nvidia", "NVIDIA GeForce RTX 4090", 24564, "8.9", "RTX 4090"),
    ("nvidia", "NVIDIA GeForce RTX 4090 Laptop GPU", 16376, "8.9", "RTX 4090 Laptop"),
    ("nvidia", "NVIDIA GeForce RTX 4090 D", 24564, "8.9", "RTX 4090 D"),
    ("nvidia", "NVIDIA GeForce RTX 3060", 12288, None, "RTX 3060"),
    ("nvidia", "NVIDIA GeForce RTX 3060", 8192, None, "RTX 3060 8GB"),
    ("nvidia", "NVIDIA GeForce RTX 4060 Ti", 16380, None, "RTX 4060 Ti"),
    ("nvidia", "NVIDIA GeForce GTX 1060 6GB", 6144, None, "GTX 1060 6GB"),
    ("nvidia", "NVIDIA GeForce GTX 1650 Ti", 4096, None, "GTX 1650 Ti Laptop"),
    ("nvidia", "NVIDIA A100-SXM4-80GB", 81920, None, "A100 80GB SXM"),
    ("nvidia", "NVIDIA A100-PCIE-40GB", 40960, None, "A100 40GB PCIe"),
    ("nvidia", "NVIDIA H100 80GB HBM3", 81559, None, "H100 SXM"),
    ("nvidia", "NVIDIA H100 PCIe", 81559, None, "H100 PCIe"),
    ("nvidia", "NVIDIA GH200 480GB", 97871, None, "GH200 96GB"),
    ("nvidia", "NVIDIA B200", 183359, None, "B200"),
    ("nvidia", "NVIDIA GB10", 122880, "12.1", "GB10"),
    ("nvidia", "NVIDIA RTX 6000 Ada Generation", 49140, None, "RTX 6000 Ada"),
    ("nvidia", "Quadro RTX 6000", 24220, None, "Quadro RTX 6000"),
    ("nvidia", "NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 97887, None, "RTX PRO 6000 Blackwell"),
    ("nvidia", "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 97887, None, "RTX PRO 6000 Blackwell Max-Q"),
    ("nvidia", "Tesla V100-SXM2-16GB", 16384, None, "Tesla V100 SXM2 16GB"),
    ("nvidia", "Tesla T4", 15360, None, "T4"),
    ("nvidia", "Tesla P40", 22919, None, "Tesla P40"),
    ("nvidia", "Tesla P100-PCIE-16GB", 16276, None, "Tesla P100 16GB"),
    ("nvidia", "NVIDIA A10G", 23028, None, "A10G"),
    ("nvidia", "Jetson Orin Nano Engineering Reference Developer Kit Super", 7620, None, "Jetson Orin Nano Super 8GB"),
    ("nvidia", "Jetson AGX Orin Developer Kit", 62800, None, "Jetson AGX Orin 64GB"),
    ("amd", "AMD Radeon RX 7900 XTX", 24560, "gfx1100", "RX 7900 XTX"),
    ("amd", "AMD Radeon 8060S Graphics", 110000, "gfx1151", "Ryzen AI Max+ 395"),
    ("amd", "AMD Radeon Pro W7900 Dual Slot", 49136, "gfx1100", "Radeon PRO W7900"),
    ("intel", "Intel(R) Arc(TM) A770 Graphics", 15473, None, "Arc A770"),
    ("intel", "Arc B580", 11605, None, "Arc B580"),
    ("intel", "Iris Xe Graphics", 24576, None, "Iris Xe 96EU"),
    ("apple", "Apple M4 Max (40-core GPU)", 47185, None, "M4 Max 40-core GPU"),
    ("apple", "Apple M1", 10922, None, "M1 7-core GPU"),
]  # fmt: skip
UNKNOWN = [
    ("nvidia", "NVIDIA GeForce RTX 2070 with Max-Q Design", 8192, "7.5"),  # slower than the desktop's card
    ("nvidia", "NVIDIA GeForce RTX 4090", 49140, "8.9"),  # no such card was sold
    ("nvidia", "NVIDIA Graphics Device", 8192, None),
    ("amd", "AMD Radeon RX 7900M", 16368, "gfx1100"),
    ("amd", "AMD Radeon Pro W7800 48GB", 49136, "gfx1100"),  # faster memory than the 32 GB card
    ("apple", "Apple M4 Max", None, None),  # 32 or 40 cores
    ("other", "NVIDIA GeForce RTX 4090", 24564, None),
]


@pytest.mark.parametrize(("vendor", "name", "mib", "arch", "row"), DRIVERS)
def test_a_drivers_name_finds_its_row(vendor: Any, name: str, mib: int, arch: str | None, row: str):
    found = look_up(vendor, name, mib * MIB, arch)
    assert found is not None
    assert found.device.name == row
    assert row in found.evidence


@pytest.mark.parametrize(("vendor", "name", "mib", "arch"), UNKNOWN)
def test_what_is_not_clearly_in_the_table_stays_unknown(
    vendor: Any, name: str, mib: int | None, arch: str | None
):
    assert look_up(vendor, name, mib and mib * MIB, arch) is None


def test_a_nameless_card_is_known_by_target_and_size_where_they_leave_one():
    found = look_up("amd", "AMD Radeon Graphics", 24 * GIB, "gfx1100")
    assert found is not None
    assert found.device.name == "RX 7900 XTX"
    assert "the only gfx1100 of this size" in found.evidence


def test_near_equals_count_as_the_slowest():
    found = look_up("amd", "AMD GPU 1002:73bf", 16 * GIB, "gfx1030")
    assert found is not None
    assert found.device.bandwidth == 512e9
    assert "slowest of 4" in found.evidence


def test_a_nameless_card_of_an_unknown_target_stays_unknown():
    assert look_up("amd", "AMD Radeon Graphics", 24 * GIB, None) is None
    assert look_up("amd", "AMD Radeon Graphics", 24 * GIB, "gfx9999") is None


def test_every_row_is_sound():
    for device in table():
        assert device.bandwidth is None or 1e10 < device.bandwidth < 1e13
        assert device.fp32_flops is None or 1e11 < device.fp32_flops < 1e15
        assert all(GIB <= size <= 512 * GIB for size in device.sizes)
        assert device.apis
        assert all(keys(device))
    assert len({device.name for device in table()}) == len(table()) > 250


def test_every_row_finds_itself_by_its_own_name():
    for device in table():
        for size in device.sizes or (16 * GIB,):
            found = look_up(device.vendor, device.name, size, device.arch)
            assert found is not None, device.name
            assert found.device.bandwidth == device.bandwidth, device.name


def test_fewest_other_words_win():
    assert {d.name for d in nearest(table(), tokens("M4"))} == {"M4 8-core GPU", "M4 10-core GPU"}
    assert nearest(table(), tokens("nothing")) == []


@given(
    st.sampled_from(["nvidia", "amd", "intel", "apple", "other"]),
    st.text(),
    st.none() | st.integers(0, 2**60),
)
def test_no_name_breaks_the_search(vendor: Any, name: str, memory: int | None):
    look_up(vendor, name, memory, None)
