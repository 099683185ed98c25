"""`launchpad explain`: the memory budget, the time of a token, what fits at which context, what would help, sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    on_option,
    simulated,
    wish_options,
)
from launchpad.cli.output import clean_line
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.cli.explain_budget import Table
    from launchpad.cli.output import Output
    from launchpad.explain.result import Explanation


WIDTH_IN_A_FILE = 100
WIDEST = 120  # longer lines are hard to read


@click.command(cls=Command)
@click.argument("model")
@wish_options
@engine_option
@on_option
@json_option
@click.pass_obj
def explain(app: App, model: str, wishes: dict[str, Any], on: str | None) -> None:
    """Explain how MODEL runs on this machine, or another (--on), and what every figure rests on.

    Shows the memory budget line by line, where the time of a token goes, which contexts fit with which type of KV cache,
    the cheapest change that would make a misfit fit, and the published results behind the quality figure.
    MODEL is a catalog id, id:QUANT, a reference or a file; with `auto` it is what launchpad would pick.
    Reads headers alone of a reference that is not on this machine, and makes no other connection.

    \b
    launchpad explain auto
    launchpad explain gpt-oss-120b --on "RTX 4090 + 64GB"
    """
    from launchpad.explained import explained

    wish = make_wish(app, wishes, model=model)
    found = explained(app.host, app.config, wish, on=simulated(on))
    if app.output.json_mode:
        app.output.data(found)
        return
    _show(app.output, found)


def _show(out: Output, found: Explanation) -> None:
    from shutil import get_terminal_size

    from launchpad.cli import explain_budget as memory
    from launchpad.cli import explain_text as text
    from launchpad.cli.explain_sources import cited

    width = min(get_terminal_size((WIDTH_IN_A_FILE, 24)).columns, WIDEST)
    title, *rest = memory.summary(found)
    _lines(out, [title], width, "bold")
    _lines(out, rest, width)
    for table, remarks in (
        (memory.budget(found), memory.budget_remarks(found)),
        (text.token_time(found), text.token_remarks(found)),
        (text.ladder(found), text.ladder_remarks(found)),
        (text.remedies(found), text.remedy_remarks(found)),
    ):
        _section(out, table, remarks, width)
    for heading, lines in cited(found, width):
        out.line()
        _lines(out, [heading], width, "bold")
        for line in lines:
            out.line(f"  {clean_line(line)}")


def _section(out: Output, table: Table | None, remarks: list[str], width: int) -> None:
    """A table with the remarks below it, nothing where there is neither."""
    if table is None and not remarks:
        return
    out.line()
    if table is not None:
        out.table(table.headers, table.rows, right=table.right)
    _lines(out, remarks, width, "dim")


def _lines(out: Output, texts: list[str], width: int, *styles: str) -> None:
    """Each text in as many lines as it takes."""
    from textwrap import wrap

    for text in texts:
        for line in wrap(clean_line(text), width, subsequent_indent="  ", break_on_hyphens=False):
            out.line(out.style(line, *styles))
