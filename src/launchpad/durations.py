"""Times as people write them: 90s, 5m, 1h, 2d, forever. PURE."""

from __future__ import annotations

import math
import re

from launchpad.errors import UsageError

PATTERN = r"^(0|forever|[0-9]+(\.[0-9]+)?(s|m|h|d))$"
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds; infinity for `forever`. Raises `UsageError`."""
    word = text.strip().lower()
    if not re.match(PATTERN, word):
        raise UsageError(
            f"{text!r} is not a time.",
            hint="Write a number and a unit, such as 90s, 5m or 1h; or 0, or forever.",
        )
    if word in ("0", "forever"):
        return 0.0 if word == "0" else math.inf
    return float(word[:-1]) * _SECONDS[word[-1]]
