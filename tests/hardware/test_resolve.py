from __future__ import annotations

import pytest

from launchpad.errors import UsageError
from launchpad.hardware.reserve import GIB
from launchpad.hardware.resolve import is_chip, pick


def test_a_size_picks_the_variant():
    assert pick("RTX 3080", None).device.name == "RTX 3080"
    assert pick("RTX 3080", 12 * GIB).device.name == "RTX 3080 12GB"
    assert pick("RTX 4060 Ti", 16 * GIB).size == 16 * GIB


def test_the_machines_memory_picks_a_chips_variant():
    assert pick("M4 Max", None, 36 * GIB).device.name == "M4 Max 32-core GPU"
    assert pick("M4 Max", 64 * GIB).device.name == "M4 Max 40-core GPU"


def test_the_machines_memory_is_no_cards():
    assert pick("RTX 4090", None, 64 * GIB).size == 24 * GIB


def test_what_is_taken_for_granted_is_noted():
    assert pick("RTX 4090", None).note is None
    assert "SXM" in (pick("H100", None).note or "")
    assert "slower of" in (pick("M1", 8 * GIB).note or "")


def test_chips_and_cards():
    assert is_chip("Strix Halo")
    assert not is_chip("RTX 4090")
    with pytest.raises(UsageError, match="not in the table"):
        is_chip("potato")
