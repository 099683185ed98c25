"""`launchpad landscape`: who leads at each size, in the terminal and as a page or a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option, make_wish, on_option, simulated, wish_options
from launchpad.cli.render import gib
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.cli.output import Output
    from launchpad.landscape.model import Landscape, Point
    from launchpad.landscape.palette import Key
    from launchpad.landscape.svg import Theme

_FILE = click.Path(dir_okay=False, path_type=Path)
_NAME_WIDTH = 28  # with what stands beside them, both names fit 80 columns
_NEXT_WIDTH = 17


@click.command(cls=Command)
@wish_options
@on_option
@click.option("--html", type=_FILE, help="Write a page that needs no network.")
@click.option("--svg", type=_FILE, help="Write a picture as SVG.")
@click.option("--png", type=_FILE, help="Write a picture as PNG (needs `launchpad-models[plot]`).")
@click.option(
    "--color",
    type=click.Choice(["lab", "country", "license"]),
    default="lab",
    show_default=True,
    help="What the colors stand for.",
)
@click.option(
    "--theme",
    type=click.Choice(["auto", "light", "dark"]),
    default="auto",
    show_default=True,
    help="Colors of the picture; auto follows the viewer, and is light in a PNG.",
)
@json_option
@click.pass_obj
def landscape(
    app: App,
    wishes: dict[str, Any],
    on: str | None,
    html: Path | None,
    svg: Path | None,
    png: Path | None,
    color: Key,
    theme: Theme,
) -> None:
    """Show which open model leads at each size: quality over the memory that it needs.

    Each model is shown with the smallest build that costs next to no quality. Makes no connection.

    \b
    launchpad landscape
    launchpad landscape --on "RTX 4090" --svg landscape.svg
    """
    from launchpad.landscape.look import look

    seen = look(app.host, app.config, make_wish(app, wishes), on=simulated(on))
    if html:
        from launchpad.landscape.page import page

        _write(app.output, html, page(seen, color=color).encode())
    if svg:
        from launchpad.landscape.svg import svg as picture

        _write(app.output, svg, picture(seen, color=color, theme=theme).encode())
    if png:
        _write(app.output, png, _png(seen, color, theme))
    if app.output.json_mode:
        app.output.data(seen)
    elif not (html or svg or png):
        _show(app.output, seen)


def _png(seen: Landscape, color: Key, theme: Theme) -> bytes:
    from launchpad.landscape.svg import svg as picture

    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        from launchpad.errors import UsageError

        raise UsageError(
            "A PNG cannot be drawn here.",
            why="That needs the library resvg-py, which is not installed.",
            hint="pip install 'launchpad-models[plot]', or write --svg FILE, which needs nothing.",
        ) from error
    text = picture(seen, color=color, theme="light" if theme == "auto" else theme)
    return bytes(svg_to_bytes(svg_string=text, zoom=2.0))


def _write(out: Output, path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        from launchpad.errors import UsageError

        raise UsageError(f"{path} cannot be written.", why=error.strerror or str(error)) from error
    out.note(f"wrote {path} ({len(content) / 1000:.0f} kB)")


def _show(out: Output, seen: Landscape) -> None:
    from launchpad.landscape.plot import letters
    from launchpad.landscape.svg import attribution

    named = letters(seen)
    points = {point.id: point for point in seen.points}
    rows = []
    for size in seen.classes:
        best, *others = (points[one] for one in size.ids)
        rows.append(
            [
                named.get(best.id, ""),
                f"{size.memory >> 30} GiB",
                _cut(best.name, _NAME_WIDTH),
                f"{best.quality:.0f}",
                gib(best.memory),
                _cut(others[0].name if others else "", _NEXT_WIDTH),
            ]
        )
    out.table(["", "up to", "best", "quality", "needs", "next"], rows, right=(1, 3, 4))
    out.line()
    for line in _plot(seen):
        out.line(line)
    out.line()
    leading = ", ".join(_leader(named.get(p.id), p) for p in reversed(seen.leaders))
    for line in _wrap(f"{leading}."):
        out.line(line)
    for limit in seen.limits:
        out.note(f"{seen.machine}: {limit.name} {gib(limit.memory)}")
    for line in _wrap(attribution(seen)):
        out.note(line)


def _leader(letter: str | None, point: Point) -> str:
    return f"{letter} {point.name} {point.quality:.0f}" if letter else f"{point.name} {point.quality:.0f}"


def _plot(seen: Landscape) -> list[str]:
    from shutil import get_terminal_size

    from launchpad.landscape.plot import ASCII, UNICODE, plot

    width = min(get_terminal_size((80, 24)).columns, 120)
    return plot(seen, width, UNICODE if _draws_unicode() else ASCII)


def _draws_unicode() -> bool:
    """Whether stdout can carry the marks at all."""
    try:
        "·┊─│└".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _wrap(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, 80, break_long_words=False)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
