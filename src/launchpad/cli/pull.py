"""`launchpad pull`: fetch and verify without starting."""

from __future__ import annotations

import sys
from typing import Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option, make_wish, source_options, transfer_options, wish_options
from launchpad.cli.shared import Command


@click.command(cls=Command)
@click.argument("model", required=False)
@wish_options
@source_options
@transfer_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask, whatever the size.")
@json_option
@click.pass_obj
def pull(
    app: App,
    model: str | None,
    wishes: dict[str, Any],
    projector: bool,
    allow_unpinned: bool,
    yes: bool,
) -> None:
    """Fetch and verify MODEL, or the model that `run` would pick, without starting it.

    \b
    launchpad pull
    launchpad pull qwen3-8b --max-rate 10MB/s
    """
    from launchpad.cli.consent import consent
    from launchpad.cli.engine_line import with_engine_lines
    from launchpad.cli.plan_notices import tell
    from launchpad.decide import make_plan_for
    from launchpad.launcher.run import RealEffects
    from launchpad.launcher.sound import sound

    wish = make_wish(app, wishes, model=model, projector=projector, allow_unpinned=allow_unpinned)
    with app.output.status("looking at this machine"):
        made = make_plan_for(app.host, app.config, wish, ask_sources=True)
    tell(app.output, made)
    with app.output.progress() as progress:
        made = sound(made, with_engine_lines(app, progress))
    step, start = made.pull, made.start
    if step is None:
        path, fetched = start.model_path, False
    else:
        consent(app, made, yes=yes, interactive=sys.stdin.isatty() and sys.stderr.isatty())
        with app.output.progress() as progress:
            report = with_engine_lines(app, progress)
            effects = RealEffects(app.host, app.config)
            path, fetched = effects.pull(step, report).path, True
            effects.verify(path)
    if app.output.json_mode:
        from launchpad.cli.documents import Pulled

        app.output.data(Pulled(model=start.model_id, ref=start.build, path=str(path), fetched=fetched))
    else:
        app.output.line(str(path))
