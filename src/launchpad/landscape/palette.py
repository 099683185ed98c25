"""Which color stands for which lab, country or license: PURE. Told apart also with the usual color blindnesses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from launchpad.landscape.model import Point

Key = Literal["lab", "country", "license"]

# Hues of Okabe and Ito and of Tableau, each legible on white and on near-black.
COLORS = (
    "#3b82d6", "#e0722a", "#1fa387", "#c94fa0", "#d0a000", "#8a63d2", "#d6474f", "#2aa5c9", "#7f9a1f", "#a9745b",
)  # fmt: skip
OTHER = "#8b93a1"
OTHERS = "others"

_KINDS = {
    "osi": "OSI-approved",
    "permissive": "permissive",
    "conditions": "with conditions",
    "noncommercial": "non-commercial",
    "own": "own terms",
}


def group(point: Point, key: Key) -> str:
    """The group that a point belongs to."""
    if key == "lab":
        return point.lab
    if key == "country":
        return point.country or "unknown"
    return _KINDS.get(point.license_kind or "", "unknown")


def colors(points: Sequence[Point], key: Key) -> dict[str, str]:
    """Group to color, in the order of the legend: by how many points they have, a leading one counted as four."""
    leading = Counter(group(point, key) for point in points if point.leads)
    counts = Counter(group(point, key) for point in points)
    ranked = sorted(counts, key=lambda name: (-counts[name] - 3 * leading[name], name))
    return {name: color for name, color in zip(ranked, COLORS, strict=False) if name != "unknown"}
