"""Reading sizes and rates as people write them. Pure.

Memory is sold in binary units under decimal names, so "24GB" of memory is 24 GiB. Disks and rates are decimal.
"""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?) ?([kmgtp]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def memory_bytes(text: str) -> int | None:
    """Bytes of memory: "24GB", "24GiB" and "24G" all are 24 * 2**30. None when it is no size."""
    return _bytes(text, 1024)


def decimal_bytes(text: str) -> int | None:
    """Bytes of a disk: "500GB" is 500 * 10**9, "500GiB" is 500 * 2**30. None when it is no size."""
    return _bytes(text, 1000)


def rate(text: str) -> float | None:
    """Bytes per second: "51.2GB/s" is 51.2 * 10**9. None when it is no rate."""
    size, slash, unit = text.strip().partition("/")
    return None if slash and unit.strip().lower() != "s" else decimal_bytes(size)


def _bytes(text: str, base: int) -> int | None:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, prefix, binary = match.groups()
    return int(float(number) * (1024 if binary else base) ** _POWERS[prefix.lower()])


def shown(size: int) -> str:
    """A memory size as it is sold: 24 * 2**30 is "24GB"."""
    return f"{size / 2**30:g}GB"
