"""`launchpad list`: the models on this machine."""

from __future__ import annotations

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import gb


@click.command("list")
@json_option
@click.pass_obj
def list_models(app: App) -> None:
    """List the models on this machine, with their owner and size. Makes no connection."""
    from launchpad.survey import local_models

    found = sorted(local_models(app.host), key=lambda local: local.ref)
    if app.output.json_mode:
        from launchpad.cli.documents import LocalModelList

        app.output.data(LocalModelList(models=tuple(found)))
        return
    if not found:
        app.output.note("No model is on this machine yet; `launchpad run` gets one.")
        return
    rows = [[x.ref, x.quantization or "?", gb(x.size), x.owner, x.path] for x in found]
    app.output.table(["model", "quant", "size", "owner", "path"], rows, right=(2,))
