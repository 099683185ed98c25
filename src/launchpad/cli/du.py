"""`launchpad du`: what the models on this machine take on the disk."""

from __future__ import annotations

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import gb


@click.command()
@json_option
@click.pass_obj
def du(app: App) -> None:
    """Show what each model takes on the disk, by owner. Bytes that models share count once.

    \b
    launchpad du
    """
    from launchpad.pull.usage import disk_usage
    from launchpad.survey import local_models

    usage = disk_usage(local_models(app.host))
    if app.output.json_mode:
        app.output.data(usage)
        return
    rows = [[x.ref, x.owner, gb(x.size)] for x in usage.models]
    rows += [["all models", owner, gb(size)] for owner, size in sorted(usage.owners.items())]
    if rows:
        app.output.table(["model", "owner", "size"], rows, right=(2,))
    else:
        app.output.note("No model is on this machine yet; `launchpad run` gets one.")
    if usage.garbage:
        app.output.note(f"`launchpad gc` would free {gb(usage.garbage)}.")
    app.output.note(f"{gb(usage.free)} are free at {usage.folder}.")
