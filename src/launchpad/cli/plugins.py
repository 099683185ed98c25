"""`launchpad plugins`: what is loaded, from where, and what went wrong."""

from __future__ import annotations

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import duration


@click.command()
@json_option
@click.pass_obj
def plugins(app: App) -> None:
    """List the plugins with their origin, version, hooks and load time, and every failure.

    A plugin is code that runs with your rights. `launchpad --no-plugins …` loads none of them.
    """
    host = app.host
    host.load_all()
    if app.output.json_mode:
        app.output.data("plugins", {"plugins": host.plugins, "failures": host.failures})
        return
    rows = [
        [
            info.name,
            info.state,
            info.origin,
            f"{info.distribution or '-'} {info.version or ''}".strip(),
            duration(info.load_seconds),
            ", ".join(hook.removeprefix("launchpad_") for hook in info.hooks),
        ]
        for info in host.plugins
    ]
    app.output.table(["plugin", "state", "origin", "distribution", "load", "hooks"], rows, right=(4,))
