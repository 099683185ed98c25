"""`launchpad gc`: remove what no model needs, and name what is others'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import gb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launchpad.pull.garbage import Garbage


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would go, and remove nothing.")
@json_option
@click.pass_obj
def gc(app: App, dry_run: bool) -> None:
    """Remove unfinished pulls, bytes that no model uses, and stale locks: launchpad's own, nobody else's.

    \b
    launchpad gc --dry-run
    launchpad gc
    """
    from launchpad.cli.documents import GarbageList
    from launchpad.pull.garbage import collect, find_garbage

    found = find_garbage()
    gone = [item for item in found if item.ours] if dry_run else collect(found)
    kept = [item for item in found if item not in gone]
    freed = sum(item.size for item in gone)
    if app.output.json_mode:
        app.output.data(GarbageList(dry_run=dry_run, freed=freed, removed=tuple(gone), kept=tuple(kept)))
        return
    if found:
        rows = [*_rows(gone, "would go" if dry_run else "gone"), *_rows(kept, "stays")]
        app.output.table(["", "kind", "size", "owner", "file", "why"], rows, right=(2,), spare=("why",))
    verb = "would be" if dry_run else "are"
    app.output.note(f"{gb(freed)} {verb} free again." if gone else "There is nothing to remove.")


def _rows(items: Sequence[Garbage], state: str) -> list[list[str]]:
    return [[state, item.kind, gb(item.size), item.owner, item.path, _why(item, state)] for item in items]


def _why(item: Garbage, state: str) -> str:
    return "another launchpad is working on it" if item.ours and state == "stays" else item.why
