"""Root without some of its powers, so that limits and permissions count for it as for anybody (Linux)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WRITE_ANYWHERE = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
MORE_THAN_THE_LIMIT = (21, 24)  # CAP_SYS_ADMIN, CAP_SYS_RESOURCE
_VERSION = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop(*numbers: int) -> list[int]:
    """Take these capabilities from this thread, and from those that it starts. Returns what it had."""
    sets = _call("capget", (_Sets * 2)())
    before = [half.effective for half in sets]
    for number in numbers:
        sets[number // 32].effective &= ~(1 << number % 32)
    _call("capset", sets)
    return before


@contextmanager
def without(*numbers: int) -> Iterator[None]:
    """`drop` them for a while. Nothing for who is not root, and so has none."""
    if sys.platform != "linux" or os.geteuid() != 0:
        yield
        return
    before = drop(*numbers)
    try:
        yield
    finally:
        sets = _call("capget", (_Sets * 2)())
        for half, effective in zip(sets, before, strict=True):
            half.effective = effective
        _call("capset", sets)


def _call(name: str, sets: ctypes.Array[_Sets]) -> ctypes.Array[_Sets]:
    header = _Header(_VERSION, 0)
    if getattr(ctypes.CDLL(None, use_errno=True), name)(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), name)
    return sets
