"""The landscape as SVG text: PURE, the same data always gives the same bytes.

Colors are set twice: as attributes, for programs that know no style sheets, and in a style sheet that also knows the
dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from textwrap import wrap
from typing import Literal

from msgspec import Struct

from launchpad.landscape import palette
from launchpad.landscape.labels import Box, Label, place
from launchpad.landscape.model import Landscape, Limit, Point
from launchpad.landscape.palette import Key
from launchpad.landscape.scale import Scale, gib, scale

Theme = Literal["auto", "light", "dark"]

GIB = 1 << 30
FACE = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


class Layout(Struct, frozen=True, kw_only=True):
    """The size of a picture in pixels, and of its letters."""

    width: int = 1000
    height: int = 620
    left: int = 56
    right: int = 24
    top: int = 128
    bottom: int = 96
    text: int = 12
    title: int = 21


WIDE = Layout()
NARROW = Layout(width=420, height=690, left=38, right=12, top=176, bottom=178, text=11, title=15)

_LIGHT = {"paper": "#ffffff", "ink": "#1c2430", "soft": "#5b6675", "grid": "#e6e9ee", "shade": "#f4f5f8"}
_DARK = {"paper": "#11151c", "ink": "#e8ecf2", "soft": "#9aa5b5", "grid": "#262d38", "shade": "#181d26"}
_MARK = "#d6474f"  # the machine's limit


def svg(
    seen: Landscape, *, color: Key = "lab", theme: Theme = "auto", layout: Layout = WIDE, name: str = ""
) -> str:
    """The whole picture. `name` is put before ids, so that two pictures may stand in one page."""
    return "\n".join(_Picture(seen, color, theme, layout, name).lines()) + "\n"


class _Picture:
    def __init__(self, seen: Landscape, color: Key, theme: Theme, layout: Layout, name: str) -> None:
        self.seen, self.key, self.theme, self.layout, self.name = seen, color, theme, layout, name
        self.colors = palette.colors(seen.points, color)
        self.ink = _DARK if theme == "dark" else _LIGHT
        self.scale = scale(
            [p.memory for p in seen.points],
            [p.quality for p in seen.points],
            left=layout.left,
            right=layout.width - layout.right,
            top=layout.top,
            bottom=layout.height - layout.bottom,
        )

    def lines(self) -> Iterator[str]:
        size, mark = self.layout, self.name
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size.width} {size.height}" '
            f'width="{size.width}" height="{size.height}" role="img" class="landscape" '
            f'aria-labelledby="{mark}title {mark}desc" font-family="{FACE}" font-size="{size.text}">'
        )
        yield f'<title id="{mark}title">{escape(heading(self.seen))}</title>'
        yield f'<desc id="{mark}desc">{escape(description(self.seen))}</desc>'
        yield _style(self.theme)
        yield f'<rect class="paper" width="100%" height="100%" fill="{self.ink["paper"]}"/>'
        yield from self._head()
        yield from self._axes()
        yield from self._limits()
        yield from self._front()
        yield from self._points()
        yield from self._limit_texts()
        yield from self._labels()
        yield from self._foot()
        yield "</svg>"

    def _text(self, x: float, y: float, text: str, kind: str = "soft", **more: object) -> str:
        extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
        return (
            f'<text class="{kind}" x="{x:g}" y="{y:g}" fill="{self.ink[kind]}"{extra}>{escape(text)}</text>'
        )

    def _head(self) -> Iterator[str]:
        size = self.layout
        left = 16 if size.width < 600 else size.left
        yield self._text(
            left, 18 + size.title * 0.8, heading(self.seen), "ink", font_size=size.title, font_weight=650
        )
        under = (
            f"Quality over the memory that a model needs, with {self.seen.context:,} tokens of context. "
            f"The limits are those of {self.seen.machine}."
        )
        y = 18 + size.title * 0.8 + size.text + 9
        for line in _wrapped(under, size):
            yield self._text(left, y, line)
            y += size.text * 1.4
        yield from self._legend(left, y + 8)

    def _legend(self, left: float, y: float) -> Iterator[str]:
        x = left
        yield f'<g class="legend" data-x="{left}" data-y="{y:g}">'
        for name, color in (*self.colors.items(), (palette.OTHERS, palette.OTHER)):
            width = 18 + len(name) * self.layout.text * 0.56 + 14
            if x + width - 14 > self.layout.width - 4:
                x, y = left, y + self.layout.text * 1.6
            yield f'<circle cx="{x + 5:g}" cy="{y - 4:g}" r="5" fill="{color}"/>'
            yield self._text(round(x + 15, 1), y, name)
            x += width
        yield "</g>"

    def _axes(self) -> Iterator[str]:
        grid, at = self.ink["grid"], self.scale
        for tick in at.quality_ticks():
            y = round(at.y(tick), 1)
            yield f'<line class="grid" x1="{at.left}" x2="{at.right}" y1="{y}" y2="{y}" stroke="{grid}"/>'
            yield self._text(at.left - 8, y + 4, str(tick), text_anchor="end")
        ticks = at.memory_ticks()
        every = 1 if self.layout.width > 600 else 2
        for tick in ticks[::every]:
            x = round(at.x(tick), 1)
            yield f'<line class="grid" x1="{x}" x2="{x}" y1="{at.top}" y2="{at.bottom}" stroke="{grid}"/>'
            anchor = "end" if x > at.right - 12 else "middle"
            text = gib(tick) if every == 1 else f"{tick / GIB:g}"
            yield self._text(x, at.bottom + 18, text, text_anchor=anchor)
        middle = (at.left + at.right) / 2
        yield self._text(middle, at.bottom + 37, "memory needed, GiB, logarithmic", text_anchor="middle")
        yield self._text(at.left + 8, at.top + 16, "quality")

    def _limits(self) -> Iterator[str]:
        at = self.scale
        for number, limit in enumerate(_shown(self.seen.limits, at)):
            x = round(at.x(limit.memory), 1)
            if number == 0:
                shade = self.ink["shade"]
                yield (
                    f'<rect class="shade" x="{x}" y="{at.top}" width="{at.right - x:g}" '
                    f'height="{at.bottom - at.top:g}" fill="{shade}" fill-opacity="0.75"/>'
                )
        for number, limit in enumerate(_shown(self.seen.limits, at)):
            x = round(at.x(limit.memory), 1)
            yield (
                f'<line class="limit" x1="{x}" x2="{x}" y1="{at.top}" y2="{at.bottom}" stroke="{_MARK}" '
                f'stroke-width="1.5" stroke-dasharray="{"6 4" if number == 0 else "2 4"}"/>'
            )

    def _limit_texts(self) -> Iterator[str]:
        for limit in _shown(self.seen.limits, self.scale):
            yield self._limit_text(limit, round(self.scale.x(limit.memory), 1), self.scale.bottom - 8)

    def _limit_text(self, limit: Limit, x: float, y: float) -> str:
        # Along the line: two lines may be close to each other.
        size = limit.memory / GIB
        text = escape(f"{limit.name} {size:,.0f} GiB" if size >= 100 else f"{limit.name} {size:.3g} GiB")
        x += self.layout.text + 1
        return (
            f'<text class="limit-text" transform="translate({x:g} {y:g}) rotate(-90)" fill="{_MARK}" '
            f'paint-order="stroke" stroke="{self.ink["paper"]}" stroke-width="3">{text}</text>'
        )

    def _front(self) -> Iterator[str]:
        yield f'<path class="front" d="{self._steps()}" fill="none" stroke="{self.ink["soft"]}" stroke-opacity="0.55"/>'

    def _steps(self) -> str:
        """The line of leaders: up at each, then level to the next."""
        at, path = self.scale, ""
        for point in self.seen.leaders:
            x, y = at.x(point.memory), at.y(point.quality)
            path += f"M{x:.1f} {y:.1f}" if not path else f"H{x:.1f}V{y:.1f}"
        return path + (f"H{at.right:g}" if path else "")

    def _points(self) -> Iterator[str]:
        yield '<g class="points">'
        order = sorted(range(len(self.seen.points)), key=lambda i: (self.seen.points[i].leads, i))
        for index in order:
            yield self._point(index, self.seen.points[index])
        yield "</g>"

    def _point(self, index: int, point: Point) -> str:
        x, y = round(self.scale.x(point.memory), 1), round(self.scale.y(point.quality), 1)
        color = self.colors.get(palette.group(point, self.key), palette.OTHER)
        look = (
            'class="p lead" r="6" fill-opacity="1"' if point.leads else 'class="p" r="4" fill-opacity="0.6"'
        )
        return (
            f'<circle {look} data-i="{index}" cx="{x:g}" cy="{y:g}" fill="{color}" '
            f'stroke="{self.ink["paper"]}" stroke-width="{1.5 if point.leads else 0.75}">'
            f"<title>{escape(tip(point))}</title></circle>"
        )

    def _labels(self) -> Iterator[str]:
        yield '<g class="labels">'
        for label in self._placed():
            yield from self._label(label)
        yield "</g>"

    def _placed(self) -> list[Label]:
        at, size = self.scale, self.layout.text
        named = [(p.name, at.x(p.memory), at.y(p.quality)) for p in self.seen.leaders]
        frame = Box(at.left + 2, at.top - 4, self.layout.width - 4, at.bottom)
        return place(named, frame, size, dots=[(at.x(p.memory), at.y(p.quality)) for p in self.seen.points])

    def _label(self, label: Label) -> Iterator[str]:
        box, size = label.box, self.layout.text
        middle = min(max(label.x, box.left), box.right)
        foot = box.bottom - size * 0.2
        if label.y - foot > size * 0.6:
            yield (
                f'<line class="lead-line" x1="{label.x:.1f}" y1="{label.y - 7:.1f}" x2="{middle:.1f}" '
                f'y2="{foot:.1f}" stroke="{self.ink["soft"]}" stroke-opacity="0.5"/>'
            )
        # Anchored on the point's side: real letters are narrower than the box allows for.
        end = box.right < label.x
        yield self._text(
            round(box.right if end else box.left, 1), round(box.top + size, 1), label.text, "ink",
            font_weight=600, text_anchor="end" if end else "start",
            paint_order="stroke", stroke=self.ink["paper"], stroke_width=3, stroke_linejoin="round",
        )  # fmt: skip

    def _foot(self) -> Iterator[str]:
        left = 16 if self.layout.width < 600 else self.layout.left
        y = self.scale.bottom + 58
        for line in _wrapped(attribution(self.seen), self.layout):
            yield self._text(left, round(y, 1), line, font_size=self.layout.text - 1)
            y += self.layout.text * 1.3


def heading(seen: Landscape) -> str:
    """The title."""
    return f"The open models that lead at each size: {seen.purpose}"


def description(seen: Landscape) -> str:
    """What the picture shows, for who cannot see it."""
    leaders = ", ".join(
        f"{p.name} ({p.quality:.0f} with {p.memory / GIB:.1f} GiB)" for p in reversed(seen.leaders)
    )
    bounds = "; ".join(f"{limit.name} {limit.memory / GIB:.1f} GiB" for limit in seen.limits)
    return (
        f"{len(seen.points)} models by the memory that they need and their quality. Leaders, best first: "
        f"{leaders or 'none'}. Limits of {seen.machine}: {bounds or 'not known'}. {counted(seen)}"
    )


def counted(seen: Landscape) -> str:
    """Who is not in the picture."""
    parts = []
    if seen.unrated:
        parts.append(f"{seen.unrated} not yet rated")
    if seen.unplaced:
        parts.append(f"{seen.unplaced} with no build here whose memory is known")
    return f"Not drawn: {' and '.join(parts)}." if parts else ""


def attribution(seen: Landscape) -> str:
    """Where the figures come from."""
    sources = ", ".join(f"{one.name} ({one.latest})" if one.latest else one.name for one in seen.evidence)
    date = f"Catalog of {seen.catalog_date}." if seen.catalog_date else ""
    rests = f"Quality rests on {sources}; each date is that of the latest figure." if sources else ""
    return " ".join(part for part in (date, rests, counted(seen)) if part)


def tip(point: Point) -> str:
    """The record of a point in a few lines."""
    lines = [
        f"{point.name} ({point.lab}{', ' + point.country if point.country else ''})",
        f"quality {point.quality:.0f}, {point.quantization}",
        f"needs {point.memory / GIB:.1f} GiB; license: {point.license or 'unknown'}",
    ]
    return "\n".join(lines)


def _shown(limits: Sequence[Limit], at: Scale) -> Iterable[Limit]:
    return [limit for limit in limits if at.least < limit.memory < at.most]


def _wrapped(text: str, size: Layout) -> list[str]:
    return wrap(text, int((size.width - 2 * (16 if size.width < 600 else size.left)) / (size.text * 0.53)))


def _style(theme: Theme) -> str:
    if theme != "auto":
        return ""
    rules = "".join(
        f".landscape .{name}{{{prop}:{_DARK[name]}}}"
        for name, prop in (("paper", "fill"), ("ink", "fill"), ("soft", "fill"), ("grid", "stroke"), ("shade", "fill"))
    )  # fmt: skip
    rules += f".landscape .labels text,.landscape .limit-text,.landscape .p{{stroke:{_DARK['paper']}}}"
    rules += f".landscape .front,.landscape .lead-line{{stroke:{_DARK['soft']}}}"
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
