"""What of a machine may be used: reserves, swap, containers."""

from __future__ import annotations

import pytest

from fit_facts import GIB, machine, nvidia
from launchpad.fit.memory import MIB
from launchpad.fit.pool import gpu_reserve, pool, ram_reserve
from launchpad.hardware.machine import Memory


@pytest.mark.parametrize(
    ("total", "reserve"),
    [
        (2 * GIB, 512 * MIB),
        (6 * GIB, 512 * MIB),
        (24 * GIB, 2 * GIB),
        (96 * GIB, 8 * GIB),
        (512 * GIB, 8 * GIB),
    ],
)
def test_a_part_of_main_memory_stays_for_everything_else(total: int, reserve: int) -> None:
    assert ram_reserve(machine(1, memory=Memory(total=total, available=total))) == reserve


def test_a_container_keeps_a_part_of_its_own_limit() -> None:
    inside = machine(1, memory=Memory(total=512 * GIB, available=12 * GIB, limit=12 * GIB))
    assert ram_reserve(inside) == GIB


def test_swap_counts_only_when_allowed() -> None:
    on = machine(1, memory=Memory(total=24 * GIB, available=20 * GIB, swap_free=8 * GIB))
    assert pool(on, None).host.free == 20 * GIB
    assert pool(on, None).host.reserve == 2 * GIB
    assert pool(on, None, allow_swap=True).host.free == 28 * GIB


def test_a_screen_keeps_a_gibibyte_of_its_card() -> None:
    assert gpu_reserve(nvidia(24, display=True)) == GIB
    assert 256 * MIB <= gpu_reserve(nvidia(24)) < GIB
