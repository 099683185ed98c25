"""`launchpad inspect`: what the files of a model on this machine say, its chat template among them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import gb

if TYPE_CHECKING:
    from launchpad.catalog.model import Build, LocalModel
    from launchpad.cli.inspection_document import Inspection


@click.command()
@click.argument("model")
@click.option("--template", is_flag=True, help="Print the chat template and nothing else.")
@json_option
@click.pass_obj
def inspect(app: App, model: str, template: bool) -> None:
    """Show what the files of MODEL say, and the sha256 of its chat template. Starts nothing.

    MODEL is on this machine: a name that `launchpad list` shows, or a path. A template is never rendered here.

    \b
    launchpad inspect qwen3-8b
    launchpad inspect ./model.gguf --template
    """
    local, build = _which(app, model)
    found = _look(local, build)
    if app.output.json_mode:
        app.output.data(found)
    elif template:
        _print_templates(app, found)
    else:
        _print(app, found)


def _which(app: App, text: str) -> tuple[LocalModel, Build | None]:
    """The model, with the build of a catalog that it is."""
    from launchpad.catalog.merge import models_of
    from launchpad.catalog.reference import parse
    from launchpad.cli.local_name import find_local, on_this_machine
    from launchpad.lookup.named import named_path

    if parse(text).kind == "path":
        named = named_path(Path(parse(text).location).expanduser().absolute(), to_run=True)
        return next(iter(named.local.values())), None
    local = find_local(app, text)
    known = on_this_machine(models_of(app.host.catalogs()), [local])
    return local, next((build for _, _, build in known.values()), None)


def _look(local: LocalModel, build: Build | None) -> Inspection:
    from launchpad.chat_templates.read import digest, texts_of
    from launchpad.chat_templates.record import load, place_of
    from launchpad.cli.inspection_document import ChatTemplate, Inspection
    from launchpad.errors import UsageError
    from launchpad.lookup.model_file import describe

    if not local.path:
        raise UsageError(
            f"{local.ref} has no file that launchpad can read.",
            why=f"{local.owner} keeps it in a store of its own.",
            hint=f"Ask {local.owner} about it: `ollama show`, for one.",
        )
    path = Path(local.path)
    facts = describe(path)
    texts = texts_of(path)
    return Inspection(
        ref=local.ref,
        path=local.path,
        owner=local.owner,
        format=local.format,
        name=facts.name,
        architecture=facts.shape.architecture,
        quantization=local.quantization or facts.quantization,
        parameters=facts.parameters,
        context=facts.context,
        size=local.size,
        sha256=local.sha256,
        templates=tuple(
            ChatTemplate(
                name=name, sha256=digest(text), characters=None if text is None else len(text), text=text
            )
            for name, text in sorted(texts.items())
        ),
        pinned=build.template if build else None,
        recorded=load(place_of(build.ref if build else local.ref)).seen,
    )


def _print_templates(app: App, found: Inspection) -> None:
    """To a terminal without what would steer it; a pipe gets the text as it is."""
    from launchpad.sanitize import Sanitizer

    if not found.templates:
        app.output.note(f"{found.path} has no chat template.")
    for one in found.templates:
        if len(found.templates) > 1:
            app.output.line(f"--- {one.name}")
        text = one.text if one.text is not None else "(longer than 1 MiB: not read)"
        sanitizer = Sanitizer()
        app.output.line(sanitizer.feed(text) + sanitizer.close() if sys.stdout.isatty() else text)


def _print(app: App, found: Inspection) -> None:
    rows = {
        "model": found.ref,
        "file": found.path,
        "owner": found.owner,
        "name": found.name,
        "format": f"{found.format}, {found.architecture or '?'}, {found.quantization or '?'}",
        "size": gb(found.size)
        + (f", {found.parameters / 1e6:,.0f} M parameters" if found.parameters else ""),
        "context": f"{found.context:,} tokens" if found.context else None,
        "sha256": found.sha256,
    }
    for label, text in rows.items():
        if text:
            app.output.field(label, text)
    for one in found.templates:
        told = "more than 1 MiB" if one.characters is None else f"{one.characters:,} characters"
        app.output.field("template", f"{one.sha256} ({told}){_standing(found, one.name, one.sha256)}")
    if not found.templates:
        app.output.field("template", "none")
    for seen in found.recorded:
        hashes = ", ".join(f"{name} {sha256[:12]}" for name, sha256 in seen.templates.items()) or "none"
        app.output.field("recorded", f"{seen.day} {hashes} of {seen.ref}")


def _standing(found: Inspection, name: str, sha256: str) -> str:
    """How a template stands to what a catalog pins and what was recorded."""
    if name != "default":
        return f", for {name}"
    if found.pinned is not None:
        return (
            ", as the catalog pins it"
            if sha256 == found.pinned
            else f", NOT {found.pinned}, which the catalog pins"
        )
    known = [seen for seen in found.recorded if seen.templates.get(name) == sha256]
    return (
        f", recorded on {known[0].day}" if known else ", not recorded yet" if not found.recorded else ", NEW"
    )
