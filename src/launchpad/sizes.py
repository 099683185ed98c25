"""Byte sizes and rates as people write them. PURE.

Units follow IEC 80000-13: kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB powers of 1024. A bare letter (`24G`)
is read as the decimal unit: the smaller reading never promises more than there is.
"""

from __future__ import annotations

import math
import re

from launchpad.errors import UsageError

_LETTERS = "KMGTPE"
_SIZE = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<letter>[KMGTPE]?)(?P<binary>i?)(?:B|bytes?)?", re.IGNORECASE
)
_LARGEST = 1 << 63  # beyond what any file system can hold


def parse_size(text: str) -> int:
    """Bytes of `1GB`, `24 GiB`, `1.5 GB` or `1048576`. Raises `UsageError`."""
    match = _SIZE.fullmatch(text.strip()) if text.isascii() else None
    if match is None or (match["binary"] and not match["letter"]):
        raise UsageError(
            f"{text!r} is not a size.",
            hint="Write a number and a unit, such as 500MB, 1.5GB (1000-based) or 24GiB (1024-based).",
        )
    exponent = _LETTERS.index(match["letter"].upper()) + 1 if match["letter"] else 0
    factor: int = (1024 if match["binary"] else 1000) ** exponent
    number = match["number"]
    value = int(number) * factor if number.isdigit() else round(float(number) * factor)
    if value >= _LARGEST:
        raise UsageError(f"{text!r} is larger than any disk.", hint="Check the unit.")
    return value


def parse_rate(text: str) -> int:
    """Bytes per second of `10MB/s` or `10MB`. Raises `UsageError`."""
    return parse_size(re.sub(r"\s*/\s*s(?:ec)?$", "", text.strip(), flags=re.IGNORECASE))


def format_size(value: float, *, binary: bool = False, digits: int = 3) -> str:
    """Bytes in the unit that fits, with about `digits` figures: `1.50 GB`, or `1.40 GiB` with `binary`.

    Files and transfers are decimal, memory is binary, as tools that show them do. Negative sizes keep their sign.
    """
    base, infix = (1024.0, "i") if binary else (1000.0, "")
    size = abs(value)
    exponent = 0
    while exponent < len(_LETTERS) and _rounded(size, digits) >= base:
        size /= base
        exponent += 1
    sign = "-" if value < 0 else ""
    if exponent == 0:
        return f"{sign}{size:.0f} B"
    letter = "k" if exponent == 1 and not binary else _LETTERS[exponent - 1]
    decimals = max(0, digits - 1 - math.floor(math.log10(max(_rounded(size, digits), 1))))
    return f"{sign}{size:.{decimals}f} {letter}{infix}B"


def _rounded(size: float, digits: int) -> float:
    """`size` as it will be shown, so that 999.9 kB becomes 1.00 MB and not 1000 kB."""
    if size < 1:
        return round(size)
    return round(size, max(0, digits - 1 - math.floor(math.log10(size))))
