"""`launchpad list`: the models on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import gb, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    more = any(
        x.context or x.capabilities for x in found
    )  # an engine that keeps a store of its own tells more
    headers = ["model", "quant", "size", *(("context", "can") if more else ()), "owner", "path"]
    rows = [
        [_name(x), x.quantization or "?", gb(x.size or None), *(_told(x) if more else ()), x.owner, x.path]
        for x in found
    ]
    right = (2, 3) if more else (2,)
    app.output.table(headers, rows, right=right, spare=("path", "can", "context") if more else ("path",))


def _told(local: LocalModel) -> tuple[str, str]:
    """What the engine that keeps it says of it; "" where none does."""
    return (tokens(local.context) if local.context else "", " ".join(local.capabilities))


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
    told = {local.ref: local for local in found if local.format == "ollama"}
    return [
        replace(_with_what(local, told), model_id=local.model_id or ids.get((local.ref, local.format)))
        for local in found
        if local.format != "ollama" or local.ref not in files
    ]


def _with_what(local: LocalModel, told: Mapping[str, LocalModel]) -> LocalModel:
    """A file of a store with what the engine that keeps the store says of it."""
    from msgspec.structs import replace

    says = told.get(local.ref)
    if says is None:
        return local
    return replace(
        local,
        owner=says.owner,
        quantization=says.quantization or local.quantization,
        context=says.context,
        capabilities=says.capabilities,
    )


def _name(local: LocalModel) -> str:
    """A reference; the catalog's id in place of the address of somebody's file."""
    return local.model_id if local.model_id and local.ref.startswith("file:") else local.ref
