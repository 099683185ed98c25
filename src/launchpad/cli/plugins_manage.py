"""`launchpad plugins install`, `uninstall`, `disable`, `enable`, `freeze` and `restore`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.plugin_documents import FrozenPlugins, PluginsChanged
from launchpad.errors import LaunchpadError, UsageError
from launchpad.plugins import installers, record


@click.command()
@click.argument("packages", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Print the command, and run nothing.")
@json_option
@click.pass_obj
def install(app: App, packages: tuple[str, ...], dry_run: bool) -> None:
    """Install packages beside launchpad, with the tool that owns its environment: pip, pipx or uv.

    A package is code that runs with your rights: read it first. What is installed is recorded, so that
    `launchpad plugins restore` can bring it back after an upgrade.

    \b
    launchpad plugins install launchpad-jan
    launchpad plugins install ./launchpad-tiny
    """
    _install(app, [_place(package) for package in packages], dry_run)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Print the command, and run nothing.")
@json_option
@click.pass_obj
def uninstall(app: App, names: tuple[str, ...], dry_run: bool) -> None:
    """Uninstall plugins, named as `launchpad plugins` lists them or by their packages. Nothing of them is imported.

    \b
    launchpad plugins uninstall jan
    """
    gone = [_distribution(name) for name in names]
    here = [name for name in gone if record.normalized(name) in record.installed()]
    command = installers.environment().uninstall(here) if here else []
    if not dry_run:
        if command:
            _run(app, command)
        record.forget(gone)
    _told(
        app, PluginsChanged(done="uninstalled", plugins=tuple(gone), command=tuple(command), dry_run=dry_run)
    )


@click.command()
@click.argument("names", nargs=-1, required=True)
@json_option
@click.pass_obj
def disable(app: App, names: tuple[str, ...]) -> None:
    """Switch plugins off: they are not even imported. Works for one that breaks launchpad, too.

    \b
    launchpad plugins disable jan
    """
    _switch(app, names, off=True)


@click.command()
@click.argument("names", nargs=-1, required=True)
@json_option
@click.pass_obj
def enable(app: App, names: tuple[str, ...]) -> None:
    """Switch plugins on again.

    \b
    launchpad plugins enable jan
    """
    _switch(app, names, off=False)


@click.command()
@json_option
@click.pass_obj
def freeze(app: App) -> None:
    """Print the installed plugins as requirements, and record them for `restore`.

    \b
    launchpad plugins freeze > plugins.txt
    """
    here = record.installed()
    kept = [one for one in record.remember() if record.normalized(one.distribution) in here]
    if app.output.json_mode:
        app.output.data(
            FrozenPlugins(requirements=tuple(one.again for one in kept), record=str(record.path()))
        )
        return
    for one in kept:
        app.output.line(one.again)


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the command, and run nothing.")
@json_option
@click.pass_obj
def restore(app: App, file: Path | None, dry_run: bool) -> None:
    """Install the recorded plugins that are gone, as after an upgrade of launchpad; or those of a frozen FILE.

    The versions that were here come back; where they do not fit a newer launchpad, the newest that do.

    \b
    launchpad plugins restore
    """
    gone = record.missing() if file is None else ()
    wanted = _lines(file) if file is not None else [one.again for one in gone]
    if wanted:
        _install(app, wanted, dry_run, [one.requirement or one.distribution for one in gone])
    else:
        _told(app, PluginsChanged(done="installed", plugins=(), command=(), dry_run=dry_run))


def _install(app: App, wanted: Sequence[str], dry_run: bool, newest: Sequence[str] = ()) -> None:
    """Install what is wanted; where that fails, `newest`: the same without a version."""
    installers.check_requirements(wanted)
    command = installers.environment().install(wanted)
    before = record.installed()
    if not dry_run:
        try:
            _run(app, command)
        except LaunchpadError:
            if not newest or newest == wanted:
                raise
            app.output.note("Not in the same versions: the newest that this launchpad can have are tried.")
            _install(app, newest, dry_run)
            return
        record.remember(wanted)
        here = record.installed()
        for one in wanted:
            name = record.project_of(one)
            if name is not None and record.normalized(name) not in {*here, *before}:
                app.output.warn(f"{name} brings no plugin for launchpad.")
    _told(
        app, PluginsChanged(done="installed", plugins=tuple(wanted), command=tuple(command), dry_run=dry_run)
    )


def _run(app: App, command: Sequence[str]) -> None:
    """The installer's own words go to stderr. Raises `LaunchpadError` when it fails."""
    import shlex

    app.output.note(shlex.join(command))
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
    except OSError as error:
        raise LaunchpadError(
            f"{command[0]} cannot be run.",
            why=error.strerror,
            hint=f"Install {command[0]}, then run it again.",
        ) from error
    if code:
        raise LaunchpadError(
            f"{command[0]} failed with exit code {code}.",
            why="Its own words are above.",
            hint="`--dry-run` prints the command alone. Nothing was recorded.",
        )


def _told(app: App, changed: PluginsChanged) -> None:
    import shlex

    if app.output.json_mode:
        app.output.data(changed)
    elif changed.dry_run:
        app.output.line(shlex.join(changed.command))
    else:
        what = ", ".join(changed.plugins) or "nothing"
        app.output.note(f"{changed.done}: {what}")


def _place(package: str) -> str:
    """A folder or wheel by its whole path: it is recorded, and restored from anywhere."""
    path = Path(package).expanduser()
    return str(path.absolute()) if path.exists() and ("/" in package or package.endswith(".whl")) else package


def _lines(file: Path) -> list[str]:
    lines = (line.partition(" #")[0].strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _known(app: App) -> dict[str, str | None]:
    """Every plugin by name, with its distribution; found by metadata alone."""
    from launchpad.plugins import discovery
    from launchpad.plugins.plugin import FailureLog

    found = [*discovery.builtins(), *discovery.third_party(app.config.plugins.paths, FailureLog())]
    return {one.name: one.distribution for one in found}


def _distribution(name: str) -> str:
    """The distribution of a plugin, or of that name. Raises `UsageError`."""
    from launchpad.plugins.discovery import GROUP, entry_points_of

    here, recorded = record.installed(), {record.normalized(one.distribution): one for one in record.load()}
    wanted = record.normalized(name)
    for kept in ({**recorded, **here}).values():
        if record.normalized(kept.distribution) == wanted or name in entry_points_of(
            kept.distribution, GROUP
        ):
            return kept.distribution
    known = ", ".join(sorted(one.distribution for one in here.values())) or "none"
    raise UsageError(
        f"No installed package brings a plugin {name!r}.",
        why=f"Installed: {known}.",
        hint="`launchpad plugins` lists all.",
    )


def _switch(app: App, names: Sequence[str], *, off: bool) -> None:
    from difflib import get_close_matches

    from launchpad.config import load_config, set_value, unset_value

    known = _known(app)
    disabled = dict.fromkeys(load_config(environ={}).plugins.disabled)
    for name in names:
        if name not in known and name not in disabled:
            close = get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]}?" if close else "`launchpad plugins` lists them."
            raise UsageError(f"There is no plugin {name!r}.", hint=hint)
        if off:
            disabled[name] = None
        else:
            disabled.pop(name, None)
    if disabled:
        set_value("plugins.disabled", ",".join(disabled))
    elif load_config(environ={}).plugins.disabled:
        unset_value("plugins.disabled")
    done = "disabled" if off else "enabled"
    _told(app, PluginsChanged(done=done, plugins=tuple(names), command=(), dry_run=False))
