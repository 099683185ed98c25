from __future__ import annotations

import pytest

from launchpad.hardware.reserve import GIB, MIB, metal_working_set, os_reserve


@pytest.mark.parametrize(("total", "seen"), [(8, 5461), (16, 12124), (24, 18186), (64, 53084), (128, 110100)])
def test_metal_never_promises_more_than_was_seen(total: int, seen: int):
    assert 0.85 * seen * MIB <= metal_working_set(total * GIB) <= (seen + 1) * MIB


def test_os_reserve():
    assert os_reserve(8 * GIB) == 2 * GIB
    assert os_reserve(128 * GIB) == 4 * GIB
