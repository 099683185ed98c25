"""Memory that a driver or an operating system keeps for itself. Pure; bytes.

The figures were measured on idle machines: total minus free of NVIDIA cards without a process, and what
Metal reports as its recommended working set.
"""

from __future__ import annotations

MIB = 2**20
GIB = 2**30

IDLE_CARD = 465 * MIB  # 384 to 464 MiB of an idle GeForce card are never free
_OS_SHARE = 0.25
_OS_MOST = 4 * GIB


def metal_working_set(total: int) -> int:
    """What Metal lets a process use of a Mac's `total` memory, at least.

    Seen: 67 % of 8 GB, 74 % of 16 and 24 GB, 81 % of 64 GB, 84 % of 128 GB. The lower bound of the class is
    taken; the engine reports the exact limit.
    """
    return total * 2 // 3 if total <= 16 * GIB else total * 72 // 100


def os_reserve(total: int) -> int:
    """What an idle desktop takes of `total` main memory: a quarter, at most 4 GiB."""
    return min(int(total * _OS_SHARE), _OS_MOST)
