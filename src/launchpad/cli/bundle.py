"""`launchpad bundle`: a model with its record in one file, for a machine without a network."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.question import ask_consent
from launchpad.cli.render import gb, license_text
from launchpad.cli.shared import Group
from launchpad.errors import RefusedError, UsageError, VerifyError

if TYPE_CHECKING:
    from launchpad.bundle.record import Record
    from launchpad.catalog.model import Build, LocalModel, Model


@click.group(cls=Group)
def bundle() -> None:
    """Move a model with its license, revision and hashes to a machine without a network.

    \b
    launchpad bundle export qwen3-8b qwen3-8b.tar
    launchpad bundle import qwen3-8b.tar
    """


@bundle.command("export")
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@json_option
@click.pass_obj
def export(app: App, model: str, file: Path, force: bool) -> None:
    """Write MODEL, which is on this machine, to FILE (a plain tar; - is stdout).

    \b
    launchpad bundle export qwen3-8b qwen3-8b.tar
    launchpad bundle export qwen3-8b - | ssh host launchpad bundle import -
    """
    from launchpad.bundle import write
    from launchpad.cli.local_name import find_local

    local = find_local(app, model)
    known, build = _in_catalog(app, local)
    with app.output.progress() as report, ExitStack() as stack:
        record = write.describe(local, known, build)
        size = write.size_of(record)
        if str(file) == "-":
            if app.output.json_mode or sys.stdout.isatty():
                raise UsageError("A bundle on stdout goes into a pipe or a file.", hint="Leave --json out.")
            out = sys.stdout.buffer
        else:
            out = stack.enter_context(write.new_file(file, size, force=force))
        write.write(record, local, out, report)
    identity = write.identity(record)
    if app.output.json_mode:
        from launchpad.cli.documents import BundleExported

        app.output.data(BundleExported(model=record.ref, file=str(file), size=size, sha256=identity))
    elif str(file) != "-":
        app.output.line(f"{file}: {record.ref}, {gb(size)}")
    app.output.note(f"there: launchpad bundle import {file.name} --sha256 {identity}")


@bundle.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--sha256", metavar="HEX", help="What `export` printed: take exactly that bundle.")
@click.option("-y", "--yes", is_flag=True, help="Take it although no catalog here knows its hashes.")
@json_option
@click.pass_obj
def import_(app: App, file: Path, sha256: str | None, yes: bool) -> None:
    """Bring the model in FILE (- is stdin) to this machine. Makes no connection.

    \b
    launchpad bundle import qwen3-8b.tar
    """
    from launchpad.bundle import read, write

    with ExitStack() as stack:
        if str(file) == "-":
            stream = sys.stdin.buffer
        elif file.is_file():
            stream = stack.enter_context(file.open("rb"))
        else:
            raise UsageError(f"There is no bundle at {file}.", hint="Check the path.")
        record, reader = read.open_bundle(stream)
        identity = write.identity(record)
        models = _models(app)
        pinned = read.check_against(record, models)
        _agree(record, identity, sha256, pinned=pinned, yes=yes, asks=str(file) != "-")
        with app.output.progress() as report:
            local = read.take_in(record, reader, report)
    added = _add(record, models)
    if app.output.json_mode:
        from launchpad.cli.documents import BundleImported

        app.output.data(
            BundleImported(model=local.ref, path=local.path, sha256=identity, pinned=pinned, added=added)
        )
        return
    app.output.line(local.path)
    terms = license_text(record.record.license) if record.record else "license not known"
    app.output.note(f"{local.ref}: {gb(local.size)}, {terms}; launchpad run --offline {added or local.ref}")


def _agree(record: Record, identity: str, sha256: str | None, *, pinned: bool, yes: bool, asks: bool) -> None:
    """A bundle's hashes are its own word unless a catalog here pins them or the user brought the bundle's hash."""
    if sha256 is not None:
        if sha256.lower() != identity:
            raise VerifyError(
                "This is not the bundle that was exported.",
                why=f"Its sha256 is {identity}, and {sha256[:80]} was asked for.",
                hint="Copy it again; if it stays so, do not use it.",
            )
        return
    if pinned or yes:
        return
    why = "No catalog here pins its hashes, so whoever made the bundle vouches for them alone."
    if not (asks and sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(
            f"Nobody vouches for this bundle of {record.ref}.",
            why=why,
            hint="Run it again with --sha256 (what `bundle export` printed), or with --yes.",
        )
    ask_consent(f"{record.ref}: {why} Take it?")


def _models(app: App) -> tuple[Model, ...]:
    from launchpad.catalog.merge import models_of

    return models_of(app.host.catalogs())


def _in_catalog(app: App, local: LocalModel) -> tuple[Model | None, Build | None]:
    """The model and the build that the catalogs know the files as."""
    from launchpad.cli.local_name import on_this_machine

    here = on_this_machine(_models(app), [local])
    model, build = next(((model, build) for _, model, build in here.values()), (None, None))
    return model, build


def _add(record: Record, models: tuple[Model, ...]) -> str | None:
    """Keep the catalog record of a model that no catalog here knows; nothing that is known is changed."""
    from msgspec.structs import replace

    from launchpad.catalog import own

    new = record.record
    known = {name for model in models for name in (model.id, *model.aliases)}
    if new is None or new.id in known or not own.ID.fullmatch(new.id):
        return new.id if new and new.id in known else None
    builds = tuple(build for build in new.builds if build.ref == record.ref)
    own.write(replace(new, aliases=(), builds=builds))
    return new.id
