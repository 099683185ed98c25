"""`launchpad rm`: remove a model from this machine."""

from __future__ import annotations

import sys

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.question import ask_consent
from launchpad.cli.render import gb
from launchpad.errors import RefusedError


@click.command()
@click.argument("model")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def rm(app: App, model: str, yes: bool) -> None:
    """Remove MODEL (a reference that `launchpad list` shows, or a part of it that names one only).

    \b
    launchpad rm qwen3-8b
    """
    from launchpad.cli.local_name import find_local
    from launchpad.pull.inventory import remove

    local = find_local(app, model)
    if local.owner != "launchpad":
        raise RefusedError(
            f"{local.ref} belongs to {local.owner}.",
            why="launchpad removes only what it fetched itself.",
            hint="Remove it with the tool that owns it"
            + (f"; it lies at {local.path}" if local.path else "."),
        )
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise RefusedError("Nobody is here to agree.", hint="Run it again with --yes.")
        ask_consent(f"Remove {local.ref} ({gb(local.size)})?")
    freed = remove(local)
    if app.output.json_mode:
        from launchpad.cli.documents import Removed

        app.output.data(Removed(ref=local.ref, freed=freed))
    else:
        app.output.line(f"removed {local.ref}, {gb(freed)} free again")
