"""Memory sizes as they are sold: in binary units under decimal names, so "24GB" is 24 GiB. Pure.

Everything else that has a size (files, disks, rates) is read and shown by `launchpad.sizes`.
"""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?) ?([kmgtp]?)i?b?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def memory_bytes(text: str) -> int | None:
    """Bytes of memory: "24GB", "24GiB" and "24G" all are 24 * 2**30. None when it is no size."""
    match = _SIZE.fullmatch(text.strip())
    return None if match is None else int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])


def shown(size: int) -> str:
    """A memory size as it is sold: 24 * 2**30 is "24GB"."""
    return f"{size / 2**30:g}GB"
