"""`launchpad plugins new` and `launchpad plugins check`: for authors of plugins."""

from __future__ import annotations

from pathlib import Path

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.plugin_documents import PluginChecked, PluginWritten
from launchpad.scaffold import KINDS


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder to write it into.",
)
@json_option
@click.pass_obj
def new(app: App, kind: str, name: str, into: Path) -> None:
    """Write a distribution with one plugin: code, tests on the kit, CI and a README. Its tests pass at once.

    \b
    launchpad plugins new backend tiny
    """
    from launchpad.scaffold import checked_name, write

    files = write(kind, name, into)
    folder = into / f"launchpad-{checked_name(name)}"
    if app.output.json_mode:
        app.output.data(PluginWritten(path=str(folder), files=tuple(str(file) for file in files)))
        return
    app.output.line(str(folder))
    app.output.note(f"next: pip install -e '{folder}[test]' && pytest {folder}")


@click.command()
@click.argument("name")
@click.option(
    "--model",
    help="A small model that is here, by name or path, to check a backend with its engine running.",
)
@json_option
@click.pass_obj
def check(app: App, name: str, model: str | None) -> int:
    """Run the rules of the kit on an installed plugin, in a process of its own. Exit code 1: it breaks one.

    \b
    launchpad plugins check jan
    """
    from launchpad.plugins.checking import check_installed

    results = check_installed(name, _file(app, model) if model else None)
    passed = not any(one.outcome == "failed" for one in results)
    if app.output.json_mode:
        app.output.data(PluginChecked(plugin=name, passed=passed, rules=results))
    else:
        for one in results:
            why = f": {one.why}" if one.why else ""
            app.output.line(f"{one.outcome:8}{one.subject}: {one.rule}{why}")
        counts = {key: sum(one.outcome == key for one in results) for key in ("ok", "failed", "skipped")}
        app.output.note(", ".join(f"{number} {key}" for key, number in counts.items()))
    return 0 if passed else 1


def _file(app: App, model: str) -> Path:
    """Where that model lies. Raises `UnknownModel`, or `UsageError` for one without a file of its own."""
    from launchpad.cli.local_name import find_local
    from launchpad.errors import UsageError

    if Path(model).exists():
        return Path(model)
    local = find_local(app, model)
    if not local.path:
        raise UsageError(
            f"{local.ref} has no file of its own.", why=f"{local.owner} keeps it.", hint="Name another."
        )
    return Path(local.path)
