from __future__ import annotations

from launchpad.plugins.probes.arm import core_names


def test_two_kinds_of_cores_strongest_first():
    assert core_names([(0x41, 0xD87), (0x41, 0xD85), (0x41, 0xD87)]) == "Cortex-X925 + Cortex-A725"
    assert core_names([(0x41, 0xD05), (0x41, 0xD0B)]) == "Cortex-A76 + Cortex-A55"


def test_apples_two_kinds_are_one_chip():
    assert core_names([(0x61, 0x024), (0x61, 0x025)]) == "Apple M1 Pro"


def test_a_part_belongs_to_its_implementer():
    assert core_names([(0x6D, 0xD49)]) == "Cobalt 100"
    assert core_names([(0x41, 0xD49)]) == "Neoverse-N2"
    assert core_names([(0x42, 0xD49), (-1, -1)]) == ""
