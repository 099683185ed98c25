"""`launchpad plan`: what `run` would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.notices import tell
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    on_option,
    simulated,
    wish_options,
)
from launchpad.cli.render import (
    TERMS,
    confirmation_text,
    device_lines,
    duration,
    gb,
    gib,
    license_text,
    placement,
    speed,
)
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.cli.output import Output
    from launchpad.plan import Plan


@click.command(cls=Command)
@click.argument("model", required=False)
@wish_options
@engine_option
@on_option
@click.option(
    "--users", type=click.IntRange(1, 10_000_000), metavar="N", help="Show what so many people need instead."
)
@click.option(
    "--active",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="PERCENT",
    help="With --users: of them that wait for an answer at the busiest moment. [default: 10]",
)
@click.option(
    "--each",
    type=click.IntRange(1),
    metavar="TOKENS",
    help="With --users: tokens that each of these conversations holds. [default: 8192]",
)
@click.option("--offline", is_flag=True, help="Make no connection; plan with what is on disk.")
@json_option
@click.pass_obj
def plan(
    app: App,
    model: str | None,
    wishes: dict[str, Any],
    on: str | None,
    users: int | None,
    active: float | None,
    each: int | None,
    offline: bool,
) -> None:
    """Show what `run` would do, step by step, without doing it; or, with --users, how many GPUs so many people need.

    \b
    launchpad plan
    launchpad plan qwen3-8b --context 16384 --on "RTX 4090"
    launchpad plan --users 200 --on "8x H100 80GB"
    """
    from launchpad.cli import launching
    from launchpad.decide import make_plan_for

    wish = make_wish(app, wishes, model=model, offline=offline)
    machine = simulated(on)
    if users is not None:
        from launchpad.cli.crowd import plan_crowd
        from launchpad.fit.crowd import Asked

        share = None if active is None else active / 100
        asked = Asked(people=users, active=share, each=each, least_speed=wishes["min_speed"])
        plan_crowd(app, wish, machine, asked)
        return
    if active is not None or each is not None:
        raise click.UsageError("--active and --each are about --users.")
    if machine is None:
        made = launching.make_plan(app, wish, starts=False)
    else:
        made = make_plan_for(app.host, app.config, wish, on=machine)
    show_plan(app, made)


def show_plan(app: App, made: Plan) -> None:
    """The plan as text or JSON, on stdout."""
    out = app.output
    if out.json_mode:
        out.data(made)
        return
    start, fit = made.start, made.start.fit
    tell(out, made)
    out.line(
        out.style(
            f"{start.model_name} {made.choice.pick.build.quantization}" if made.choice.pick else "", "bold"
        )
    )
    _pull_lines(out, made)
    out.field("  start", f"{start.backend} on {placement(fit)}, context {start.settings.context:,}")
    for name, device in device_lines(fit.devices):
        sums = " + ".join(f"{gib(t.bytes)} {TERMS.get(t.name, t.name)}" for t in device.terms if t.bytes)
        out.field("  memory", f"{name}: {gib(device.total)} of {gib(device.free)} free = {sums}")
    if made.confirmation is not None:
        out.field("  asked", confirmation_text(made.confirmation))
    out.field("  speed", f"{speed(fit.speed.decode)}, first token after {duration(fit.speed.first_token)}")
    out.field("  engine", " ".join(f"{k}={v}" for k, v in start.arguments.items()))
    _choice_lines(out, made)


def _pull_lines(out: Output, made: Plan) -> None:
    if made.start.cluster is not None and made.start.model_path is None:
        from launchpad.hardware.ray_dashboard import ray_name

        command = f"launchpad pull {made.start.build} --on {ray_name(made.start.cluster)}"
        out.field("  pull", f"nothing here: the nodes must have it, each in its Hub cache ({command})")
        return
    if made.pull is None:
        where = made.start.model_path or f"in the store of {made.start.backend}"
        out.field("  pull", f"nothing, it is here: {where}")
        return
    terms = license_text(made.pull.license)
    into = f" by {made.pull.by}, into its own store" if made.pull.by else ""
    out.field("  pull", f"{made.pull.build.ref}, {gb(made.pull.size)}, {terms}{into}")


def _choice_lines(out: Output, made: Plan) -> None:
    choice = made.choice
    if choice.pick:
        out.field("  why", f"{choice.pick.reason}, out of {choice.considered} considered")
    if choice.engine:
        out.field("  by", choice.engine)
    for label, option in (("faster", choice.faster), ("better", choice.better)):
        if option:
            out.field(f"  {label}", f"{option.model.name} {option.build.quantization}: {option.reason}")
