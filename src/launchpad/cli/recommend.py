"""`launchpad recommend`: the pick, a faster one, a better one, and why the others lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.notices import note_age
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    on_option,
    simulated,
    wish_options,
)
from launchpad.cli.render import OPTION_HEADERS, OPTION_RIGHT, THIN, machine_line, option_row, score
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.choice.choose import Option
    from launchpad.cli.output import Output
    from launchpad.decide import Decision


@click.command(cls=Command)
@wish_options
@engine_option
@on_option
@click.option(
    "-n", "--count", type=click.IntRange(min=0), default=8, help="How many better-scored losers to show."
)
@json_option
@click.pass_obj
def recommend(app: App, wishes: dict[str, Any], on: str | None, count: int) -> None:
    """Show the best models for this machine, or another (--on), and why each better-scored one lost.

    Makes no connection: whether a source answers is found out by `plan` and `run`.

    \b
    launchpad recommend
    launchpad recommend --on "2x RTX 3090" --purpose code
    launchpad recommend --license osi --json
    """
    from launchpad.decide import decide
    from launchpad.plan import no_pick

    wish = make_wish(app, wishes)
    made = decide(app.host, app.config, wish, on=simulated(on))
    note_age(app)
    if made.choice.pick is None:
        raise no_pick(made.choice, wish)
    if app.output.json_mode:
        from launchpad.cli.documents import Recommendation

        seen = made.survey
        app.output.data(
            Recommendation(
                catalog_date=seen.catalog_date,
                machine=seen.machine,
                wish=made.wish,
                choice=made.choice,
                dropped=made.dropped,
            )
        )
    else:
        _show(app.output, made, count, on)


# What it means that a choice lacks one of its three answers.
_NONE = {
    "pick": "none",
    "faster": "none that could be had is half as fast again",
    "better": "none in the catalogs scores a point more",
}


def _show(out: Output, made: Decision, count: int, on: str | None) -> None:
    out.note(f"{machine_line(made.survey.machine)} · catalog of {made.survey.catalog_date or 'unknown date'}")
    choice = made.choice
    named = (("pick", choice.pick), ("faster", choice.faster), ("better", choice.better))
    rows = [option_row(label, option) for label, option in named if option]
    out.table(OPTION_HEADERS, rows, right=OPTION_RIGHT, lead=3)
    for label, option in named:
        told = f"{option.reason}; {_next(option, on)}" if option else _NONE[label]
        out.field(f"{label}:", told, column=8)
    out.note(f"quality: to expect at least for {_what(made)}, less what the quantization costs")
    if any(option and option.model.quality and option.model.quality.thin for _, option in named):
        out.note(THIN)
    if choice.losses and count:
        out.line()
        out.line(out.style("scored better and lost", "bold"))
        out.table(
            ["model", "quality", "why"],
            [[x.name, score(x.score), x.reason] for x in choice.losses[:count]],
            right=(1,),
        )
        if len(choice.losses) > count:
            out.note(f"{len(choice.losses) - count} more; see --count")


def _next(option: Option, on: str | None) -> str:
    """What to type: the table has names, which no command takes."""
    name = f"{option.model.id}:{option.build.quantization}"
    if on is not None:
        return f'`launchpad explain {name} --on "{on}"`'
    return f"`launchpad {'run' if option.fit.runs else 'explain'} {name}`"


def _what(made: Decision) -> str:
    """The purpose, and whether the figures are of its own benchmarks."""
    from launchpad.catalog.model import MEASURED_PURPOSES

    purpose = made.wish.purpose
    return (
        purpose
        if purpose in MEASURED_PURPOSES
        else f"{purpose} (by the general figure: too few models are measured in it)"
    )
