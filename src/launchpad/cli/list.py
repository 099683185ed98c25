"""`launchpad list`: the models on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import gb

if TYPE_CHECKING:
    from launchpad.catalog.model import LocalModel


@click.command("list")
@json_option
@click.pass_obj
def list_models(app: App) -> None:
    """List the models on this machine, with their owner and size. Makes no connection.

    \b
    launchpad list
    launchpad list --json
    """
    found = sorted(_named(app), key=lambda local: local.ref)
    if app.output.json_mode:
        from launchpad.cli.documents import LocalModelList

        app.output.data(LocalModelList(models=tuple(found)))
        return
    if not found:
        app.output.note("No model is on this machine yet; `launchpad run` gets one.")
        return
    rows = [[_name(x), x.quantization or "?", gb(x.size), x.owner, x.path] for x in found]
    app.output.table(["model", "quant", "size", "owner", "path"], rows, right=(2,), spare=("path",))


def _named(app: App) -> list[LocalModel]:
    """What is here, with the catalog's id of what a catalog knows; a tag that Ollama and its files tell of counts once."""
    from msgspec.structs import replace

    from launchpad.catalog.merge import models_of
    from launchpad.cli.local_name import on_this_machine
    from launchpad.survey import local_models

    found = local_models(app.host)
    known = on_this_machine(models_of(app.host.catalogs()), found)
    ids = {(local.ref, local.format): model.id for local, model, _ in known.values()}
    files = {local.ref for local in found if local.format != "ollama"}
    return [
        replace(local, model_id=local.model_id or ids.get((local.ref, local.format)))
        for local in found
        if local.format != "ollama" or local.ref not in files
    ]


def _name(local: LocalModel) -> str:
    """A reference; the catalog's id in place of the address of somebody's file."""
    return local.model_id if local.model_id and local.ref.startswith("file:") else local.ref
