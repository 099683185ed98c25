"""`launchpad catalog`: what the catalogs are, how old, and how to refresh and extend them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.shared import Group

if TYPE_CHECKING:
    from launchpad.catalog.download import Trust
    from launchpad.catalog.kept import Downloaded
    from launchpad.catalog.model import Model
    from launchpad.catalog.refresh import Refreshed
    from launchpad.cli.documents import CatalogRecord

_SHOWN = 12  # changes that are told; --json has them all


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def catalog(context: click.Context) -> None:
    """Show the catalogs with their dates; `update` and `add` refresh and extend them.

    \b
    launchpad catalog
    launchpad catalog update
    """
    if context.invoked_subcommand is not None:
        return
    app = context.find_object(App) or App()
    from launchpad.cli.documents import CatalogList

    found = _catalogs(app)
    if app.output.json_mode:
        app.output.data(CatalogList(catalogs=tuple(found)))
        return
    rows = [[one.name, one.date or "", str(one.models), one.origin] for one in found]
    app.output.table(["catalog", "date", "models", "from"], rows, right=(2,))


@catalog.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--from", "origin", metavar="ADDRESS", help="Take a newer catalog from an address or a file.")
@click.option("--sha256", "pin", metavar="HEX", help="What that catalog must hash to.")
@click.option(
    "--signed-by", "signer", metavar="KEY", help="The SSH public key, or .pub file, that signed it."
)
@click.option("--signature", metavar="ADDRESS", help="Where its signature is. [default: ADDRESS.sig]")
@click.option(
    "--accept-changes", is_flag=True, help="Take other terms, makers or hashes of known models as well."
)
@click.option(
    "--most", type=click.IntRange(1, 5000), default=300, show_default=True, help="Most places to ask."
)
@click.option("--offline", is_flag=True, help="Make no connection.")
@json_option
@click.pass_obj
def update(
    app: App,
    models: tuple[str, ...],
    origin: str | None,
    pin: str | None,
    signer: str | None,
    signature: str | None,
    accept_changes: bool,
    most: int,
    offline: bool,
) -> None:
    """Ask the Hub for new builds, sizes, hashes and revisions, of all models or of those named.

    With --from, take a newer catalog instead: its bytes must be those of --sha256, or signed by the key of --signed-by.
    A signer is remembered for its address.

    \b
    launchpad catalog update
    launchpad catalog update qwen3-8b
    """
    from launchpad.errors import RefusedError, UsageError

    local = origin is not None and "://" not in origin
    if (offline or app.config.run.offline) and not local:
        raise RefusedError(
            "The catalog cannot be refreshed offline.",
            why="No connection may be made.",
            hint="Run it without --offline (or run.offline), or bring a file: --from FILE --sha256 HEX",
        )
    if origin is None:
        if pin or signer or signature:
            raise UsageError(
                "--sha256 and --signed-by are about what --from names.", hint="Give --from as well."
            )
        _refresh(app, models, most)
        return
    if models:
        raise UsageError(
            "A catalog from elsewhere is taken as a whole.", hint="Leave out the names of models."
        )
    _take(app, origin, pin, signer, signature, accept_changes)


@catalog.command()
@click.argument("reference", metavar="FILE|hf://ORG/REPO")
@click.option("--id", "name", metavar="ID", help="The id that it gets.")
@click.option("--license", "terms", metavar="ID", help="Its license, such as apache-2.0, if you know it.")
@json_option
@click.pass_obj
def add(app: App, reference: str, name: str | None, terms: str | None) -> None:
    """Add a model: a record (.toml, .json), a GGUF file, a folder of safetensors, or a place on the Hub.

    Of files and places the headers are read, so that memory and speed can be computed; no weights are fetched.

    \b
    launchpad catalog add ./my-model.gguf
    launchpad catalog add hf://org/repo
    """
    from launchpad.catalog import own
    from launchpad.cli.documents import CatalogAdded

    if Path(reference).suffix.lower() in (".toml", ".json"):
        found = own.read_record(Path(reference), {model.id: model for model in _known(app)})
    else:
        found = _looked_into(app, reference)
    path = own.write(_named(found, name, terms))
    app.output.note(f"`launchpad run {path.stem}` runs it; edit {path} to say more about it")
    if app.output.json_mode:
        app.output.data(CatalogAdded(id=path.stem, path=str(path)))
    else:
        app.output.line(f"added {path.stem}")


@catalog.command()
@click.argument("name", metavar="ID|downloaded|refreshed")
@json_option
@click.pass_obj
def remove(app: App, name: str) -> None:
    """Take out a model of one's own, or what `update` brought.

    \b
    launchpad catalog remove my-model
    """
    from launchpad.catalog import kept, own
    from launchpad.cli.documents import CatalogRemoved

    path = kept.discard(name) or own.remove(name)
    if app.output.json_mode:
        app.output.data(CatalogRemoved(path=str(path)))
    else:
        app.output.line(f"removed {path}")


@catalog.command()
@click.pass_obj
def path(app: App) -> None:
    """Print the folder for models of one's own.

    \b
    launchpad catalog path
    """
    from launchpad.catalog.own import folder

    app.output.line(str(folder()))


def _known(app: App) -> tuple[Model, ...]:
    from launchpad.catalog.merge import models_of

    return models_of(app.host.catalogs())


def _catalogs(app: App) -> list[CatalogRecord]:
    from launchpad.catalog import kept, own
    from launchpad.cli.documents import CatalogRecord

    downloaded, listings = kept.load_downloaded(), kept.load_listings()
    origins = {"own": str(own.folder()), "downloaded": _whence(downloaded) if downloaded else ""}
    dates: dict[str, str | None] = {}
    if listings:
        days = sorted(one.fetched[:10] for one in listings.places.values() if not one.failed)
        dates["refreshed"] = days[-1] if days else None
        origins["refreshed"] = f"the Hub, {len(listings.places)} places asked"
    return [
        CatalogRecord(
            name=one.name,
            date=one.date or dates.get(one.name),
            models=len(one.models()),
            origin=origins.get(one.name) or f"plugin {one.plugin.name}",
        )
        for one in app.host.catalogs()
        if one.models()  # a file that cannot be used has its warning
    ]


def _whence(downloaded: Downloaded) -> str:
    from launchpad.catalog.signature import fingerprint

    signer = downloaded.signer
    return downloaded.origin if signer is None else f"{downloaded.origin}, signed by {fingerprint(signer)}"


def _refresh(app: App, names: tuple[str, ...], most: int) -> None:
    from launchpad.catalog import kept
    from launchpad.catalog.find import resolve_model
    from launchpad.catalog.refresh import refresh
    from launchpad.errors import SourceUnreachable

    models = _known(app)
    if names:
        models = tuple(resolve_model(name, models)[0] for name in names)
    before = kept.load_listings() or kept.Listings()
    source = app.host.source("hf")
    with app.output.status("asking the Hub"):
        done = refresh(models, before, source.listing, most=most, save=kept.save)
    if done.stopped and not done.asked:
        raise SourceUnreachable(
            "The catalog could not be refreshed.",
            why=done.stopped,
            hint="What is known so far still works; try again later, or set HF_ENDPOINT to a mirror.",
            retryable=True,
        )
    if app.output.json_mode:
        from launchpad.cli.documents import CatalogUpdated

        app.output.data(
            CatalogUpdated(
                asked=done.asked,
                unchanged=done.unchanged,
                left=done.left,
                failed=done.failed,
                changes=done.changes,
                stopped=done.stopped,
            )
        )
    else:
        _tell(app, done)


def _tell(app: App, done: Refreshed) -> None:
    out = app.output
    for line in done.changes[:_SHOWN]:
        out.line(line)
    if len(done.changes) > _SHOWN:
        out.note(f"{len(done.changes) - _SHOWN} more changes; --json lists them")
    for place, why in list(done.failed.items())[:_SHOWN]:
        out.note(f"{place}: {why}")
    out.line(f"{done.asked} places asked, {done.unchanged} unchanged, {len(done.changes)} changes")
    if not done.asked and not done.left:
        from launchpad.catalog.refresh import FRESH

        out.note(f"all of it was asked within the last {FRESH.total_seconds() / 3600:.0f} hours")
    if done.stopped:
        out.warn(f"stopped early: {done.stopped}")
    if done.left:
        out.note(f"{done.left} places are left; the same command goes on from here")


def _trust(origin: str, pin: str | None, signer: str | None, signature: str | None) -> Trust:
    """Why the catalog may be believed: as the user says, or by the signer that its address had the last time."""
    from launchpad.catalog import download, kept
    from launchpad.catalog.signature import public_key
    from launchpad.errors import ConfigError, UsageError

    key = None if signer is None else public_key(signer)
    if pin is None and key is None:
        with suppress(ConfigError):
            before = kept.load_downloaded()
            key = before.signer if before and before.origin == origin else None
    if pin is None and key is None:
        raise UsageError(
            "A catalog from elsewhere needs its sha256, or the key that signed it.",
            why="It decides what is downloaded and on whose terms.",
            hint="Take either from where you trust it: --sha256 HEX, or --signed-by KEY.",
        )
    if key is None:
        return download.Trust(pin=pin)
    return download.Trust(pin=pin, signer=key, signature=download.fetch(signature or f"{origin}.sig"))


def _take(
    app: App, origin: str, pin: str | None, signer: str | None, signature: str | None, accept: bool
) -> None:
    from datetime import UTC, datetime

    from launchpad.catalog import download, kept
    from launchpad.cli.documents import CatalogTaken
    from launchpad.errors import RefusedError

    trust = _trust(origin, pin, signer, signature)
    new = download.check(download.fetch(origin), trust, origin, datetime.now(UTC).date())
    present = max((one.date for one in app.host.catalogs() if one.date), default="")
    download.not_older(new, present)
    known = {model.id: model for model in _known(app)}
    changes = download.delicate(known, new)
    for line in changes:
        app.output.warn(line)
    if changes and not accept:
        raise RefusedError(
            f"{origin} changes what is known of {len(changes)} facts about terms, makers or hashes.",
            why=changes[0],
            hint="If that is right, run it again with --accept-changes. Nothing was changed.",
        )
    kept.save(new)
    added = sum(1 for entry in new.catalog.models if entry.model.id not in known)
    if app.output.json_mode:
        taken = CatalogTaken(
            date=new.catalog.date, models=len(new.catalog.models), added=added, changes=tuple(changes)
        )
        app.output.data(taken)
    else:
        app.output.line(
            f"catalog of {new.catalog.date}: {len(new.catalog.models)} models, {added} of them new"
        )


def _looked_into(app: App, reference: str) -> Model:
    """The model at a place or in a file, as its headers describe it. Raises `UsageError` for one that is known."""
    from launchpad.errors import UsageError
    from launchpad.lookup.named import named_models
    from launchpad.survey import survey
    from launchpad.wish import Wish

    seen = survey(app.host, app.config, Wish())
    with app.output.status(f"reading the headers of {reference}"):
        found = named_models(reference, seen, app.host, connect=not app.config.run.offline).models[0]
    if any(model.id == found.id for model in seen.models):
        raise UsageError(
            f"{reference} is in the catalog: {found.id}.",
            hint=f"`launchpad run {found.id}` runs it; a .toml file with that id changes what is known of it.",
        )
    return found


def _named(found: Model, name: str | None, terms: str | None) -> Model:
    import re

    from msgspec.structs import replace

    from launchpad.catalog.model import License

    plain = re.sub(r"[-.]gguf$", "", found.id.rpartition("/")[2].lower())
    usual = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")
    license = License(id=terms.lower()) if terms else found.license
    return replace(found, id=name or usual, license=license)
