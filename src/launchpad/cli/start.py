"""`launchpad start`: an engine that stays when the command ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    keep_option,
    make_wish,
    start_options,
    wish_options,
)
from launchpad.cli.render import duration
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.engines.kept import KeptServer

DEFAULT_KEEP = "30m"


@click.command(cls=Command)
@click.argument("model", required=False)
@wish_options
@engine_option
@keep_option(f"Unload after so long without use. [default: engines.keep, else {DEFAULT_KEEP}]")
@start_options
@json_option
@click.pass_obj
def start(
    app: App, model: str | None, wishes: dict[str, Any], keep: float | None, offline: bool, yes: bool
) -> None:
    """Load a model and leave it loaded: the next `launchpad run` of it answers at once.

    It listens on loopback with a key of its own and unloads when nobody has used it for the time of --keep.
    `launchpad ps` shows it, `launchpad stop` ends it.

    \b
    launchpad start qwen3-8b --keep 30m
    launchpad start && launchpad run "Why is it blue?"
    """
    from launchpad.cli.launching import keep_running, keep_seconds, loaded, make_plan
    from launchpad.cli.notices import tell

    wish = make_wish(app, wishes, model=model, offline=offline)
    found = loaded(app, wish)
    if found is None:
        plan = make_plan(app, wish, starts=True)
        tell(app.output, plan)
        server = keep_running(app, plan, keep_seconds(app, keep, DEFAULT_KEEP), yes=yes)
    else:
        server = found[1]
    show_kept(app, server)


def show_kept(app: App, server: KeptServer) -> None:
    """Say where it is; let go of it, so that its time begins to count."""
    from launchpad.engines.listing import engines

    server.stop()
    view = next((view for view in engines() if view.token == server.record.token), None)
    if app.output.json_mode and view is not None:
        from launchpad.cli.documents import EngineList

        app.output.data(EngineList(engines=(view,)))
        return
    idle = server.record.kept.idle if server.record.kept else None
    stays = "until it is stopped" if idle is None else f"until nobody has used it for {duration(idle)}"
    app.output.line(f"{server.record.model} is loaded ({server.record.token[:8]}) and stays {stays}")
