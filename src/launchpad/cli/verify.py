"""`launchpad verify`: are the bytes still the right ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option

if TYPE_CHECKING:
    from launchpad.catalog.model import LocalModel


@click.command()
@click.argument("model", required=False)
@click.option("--all", "every", is_flag=True, help="Also what other programs brought.")
@json_option
@click.pass_obj
def verify(app: App, model: str | None, every: bool) -> int:
    """Hash MODEL again, or everything that launchpad fetched. Exit code 1 when a file is damaged.

    \b
    launchpad verify
    launchpad verify qwen3-8b
    """
    from launchpad.cli.documents import Verified, VerifiedFile
    from launchpad.pull.checking import verify as check

    with app.output.progress() as report:
        files = tuple(
            VerifiedFile(model=local.ref, owner=local.owner, path=x.path, ok=x.ok, why=x.why)
            for local in _which(app, model, every)
            for x in check(local, report)
        )
    damaged = [file for file in files if file.ok is False]
    if app.output.json_mode:
        app.output.data(Verified(files=files, damaged=len(damaged)))
        return 1 if damaged else 0
    for file in files:
        state = {True: "ok", False: "DAMAGED", None: "noted"}[file.ok]
        app.output.line(f"{state:8}{file.path}" + (f"  ({file.why})" if file.why else ""))
    if not files:
        app.output.note("launchpad has fetched nothing yet; --all checks what other programs brought.")
    if damaged:
        app.output.note("`launchpad pull` or `run` repairs what launchpad or the Hub's tools fetched.")
    return 1 if damaged else 0


def _which(app: App, model: str | None, every: bool) -> list[LocalModel]:
    from launchpad.cli.local_name import find_local
    from launchpad.survey import local_models

    if model is not None:
        return [find_local(app, model)]
    found = sorted(local_models(app.host), key=lambda local: local.ref)
    files = {
        x.path: x for x in found if x.format not in ("ollama", "served") and (every or x.owner == "launchpad")
    }
    return list(files.values())
