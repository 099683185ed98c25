"""The landscape as one HTML page: no other file, no network, readable without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from importlib import resources
from typing import Any, get_args

from launchpad.landscape import palette
from launchpad.landscape.model import Landscape, Point
from launchpad.landscape.palette import Key
from launchpad.landscape.svg import NARROW, WIDE, Layout, heading, svg

GIB = 1 << 30


def page(seen: Landscape, *, color: Key = "lab") -> str:
    """The page. `color` is what the colors stand for until its reader chooses otherwise."""
    parts = {
        "title": escape(heading(seen)),
        "css": _part("page.css"),
        "script": _part("page.js"),
        "wide": svg(seen, color=color, layout=WIDE, name="wide-"),
        "narrow": svg(seen, color=color, layout=NARROW, name="narrow-"),
        "count": str(len(seen.points)),
        "machine": escape(seen.machine),
        "rows": "\n".join(_row(point) for point in seen.points),
        "data": _json(_data(seen, color)),
    }
    text = _part("page.html")
    # One pass over the template: what was put in is never looked at again, whatever a catalog may have sent.
    pieces = text.split("{{")
    return pieces[0] + "".join(_filled(piece, parts) for piece in pieces[1:])


def _filled(piece: str, parts: dict[str, str]) -> str:
    name, _, rest = piece.partition("}}")
    return parts[name] + rest


def _part(name: str) -> str:
    return resources.files("launchpad.landscape").joinpath(name).read_text(encoding="utf-8").rstrip("\n")


def _json(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _data(seen: Landscape, color: Key) -> dict[str, Any]:
    groups: dict[str, Any] = {key: palette.colors(seen.points, key) for key in get_args(Key)}
    return {
        "points": [_entry(point, seen.machine) for point in seen.points],
        "groups": {**groups, "other": palette.OTHER, "start": color},
        "sizes": [_size(layout) for layout in (WIDE, NARROW)],
    }


def _size(layout: Layout) -> dict[str, int]:
    return {
        "width": layout.width,
        "text": layout.text,
        "left": layout.left,
        "top": layout.top,
        "right": layout.width - layout.right,
        "bottom": layout.height - layout.bottom,
    }


def _entry(point: Point, machine: str) -> dict[str, Any]:
    return {
        "name": point.name,
        "quality": point.quality,
        "runs": bool(point.runs),
        "group": {key: palette.group(point, key) for key in get_args(Key)},
        "record": list(_record(point, machine)),
    }


def _record(point: Point, machine: str) -> Iterator[tuple[str, str]]:
    yield "lab", f"{point.lab} ({point.country or 'country unknown'})"
    yield "quality", f"{point.quality:.0f} ({point.measured:.0f} ± {point.spread:.0f} before quantization)"
    yield "needs", f"{point.memory / GIB:.1f} GiB"
    lost = f", costs {point.loss * 100:.2g} %" if point.loss else ""
    yield "build", f"{point.quantization}{lost}"
    yield "parameters", _parameters(point)
    yield "license", point.license or "unknown"
    yield "released", point.released or "unknown"
    yield f"on {machine}", _here(point)
    yield "evidence", ", ".join(point.sources) or "unknown"


def _parameters(point: Point) -> str:
    if point.parameters is None:
        return "unknown"
    active = point.parameters_active
    total = f"{point.parameters / 1e9:.3g} B"
    return total if active in (None, point.parameters) else f"{total}, {(active or 0) / 1e9:.2g} B active"


def _here(point: Point) -> str:
    if point.runs is None:
        return "unknown"
    if not point.runs:
        return f"no: {point.why_not}" if point.why_not else "no"
    return f"yes, {point.speed.low:.0f} to {point.speed.high:.0f} tokens/s" if point.speed else "yes"


def _row(point: Point) -> str:
    cells = (
        ("", point.name),
        ("", point.lab),
        ("", point.country or "?"),
        ("n", f"{point.quality:.0f}"),
        ("n", f"{point.memory / GIB:.1f} GiB"),
        ("", point.quantization),
        ("", point.license or "unknown"),
        ("", point.released or "?"),
        ("", _here(point).partition(":")[0]),
    )
    inner = "".join(
        f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
        for kind, text in cells
    )
    return f'<tr class="lead">{inner}</tr>' if point.leads else f"<tr>{inner}</tr>"
