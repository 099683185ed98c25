"""`launchpad ps`, `stop`, `restart`, `logs`: the engines that run."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import duration, gib, placed, tokens
from launchpad.errors import EngineError, RefusedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from launchpad.engines.listing import EngineView


@click.command()
@json_option
@click.pass_obj
def ps(app: App) -> None:
    """List the engines that run: what each does, where it answers, and when it unloads.

    \b
    launchpad ps
    launchpad ps --json
    """
    from launchpad.engines.listing import engines

    found = engines()
    if app.output.json_mode:
        from launchpad.cli.documents import EngineList

        app.output.data(EngineList(engines=tuple(found)))
        return
    if not found:
        app.output.note("No engine runs. `launchpad start` loads one that stays.")
        return
    head = ["id", "model", "state", "placement", "context", "memory", "age", "ends", "backend", "endpoint"]
    app.output.table(
        head, [_row(view) for view in found], right=(4, 5, 6), spare=("endpoint", "backend", "age")
    )
    for view in found:
        if view.ended:
            app.output.note(
                f"{view.id} {view.model} ended by {view.ended}. `launchpad logs {view.id}` tells more.", "red"
            )


def _row(view: EngineView) -> list[str]:
    did = view.report
    return [
        view.id,
        view.model,
        view.state if view.progress is None else f"{view.state} {100 * view.progress:.0f} %",
        _placement(view),
        tokens(did.context) if did else "?",
        gib(view.memory),
        duration(view.age),
        _ends(view),
        view.backend,
        view.endpoint or "-",
    ]


def _placement(view: EngineView) -> str:
    return "?" if view.report is None else placed(view.report)


def _ends(view: EngineView) -> str:
    """When it will end."""
    if not view.kept:
        return f"with pid {view.owner}"
    if view.idle is None:
        return "when stopped"
    if view.unloads_in is None:
        return f"{duration(view.idle)} after use"
    return f"in {duration(view.unloads_in)}"


@click.command()
@click.argument("engine", metavar="[ID|MODEL]", required=False)
@click.option("--all", "everything", is_flag=True, help="Stop every engine.")
@json_option
@click.pass_obj
def stop(app: App, engine: str | None, everything: bool) -> None:
    """Stop an engine and everything below it, whoever started it. With one engine running, it need not be named.

    \b
    launchpad stop
    launchpad stop qwen3-8b
    launchpad stop --all
    """
    from launchpad.engines import registry, stopping
    from launchpad.engines.listing import engines

    views = engines()
    if everything:
        if engine is not None:
            raise UsageError("Name an engine, or give --all.")
        chosen = views
    else:
        chosen = [one_of(app, views, engine)]
    stopped = []
    for view in chosen:
        record = registry.read(view.token)
        if record is not None:
            stopping.stop(record)
        stopped.append(view)
    if app.output.json_mode:
        from launchpad.cli.documents import EnginesStopped

        app.output.data(EnginesStopped(engines=tuple(stopped)))
        return
    for view in stopped:
        freed = f", {gib(view.memory)} of memory free again" if view.memory else ""
        app.output.line(f"stopped {view.model} ({view.id}){freed}")
    if not stopped:
        app.output.note("No engine runs.")


@click.command()
@click.argument("engine", metavar="[ID|MODEL]", required=False)
@json_option
@click.pass_obj
def restart(app: App, engine: str | None) -> None:
    """Stop a kept engine and start it again exactly as it was: same file, same settings, same time to stay.

    \b
    launchpad restart
    launchpad restart qwen3-8b
    """
    from launchpad.cli.launching import keep_running
    from launchpad.cli.start import show_kept
    from launchpad.engines import registry, stopping
    from launchpad.engines.listing import engines
    from launchpad.launcher.reuse import stored_plan

    views = engines()
    view = one_of(app, [view for view in views if view.kept] if engine is None else views, engine)
    record, plan = registry.read(view.token), stored_plan(view.token)
    if record is None or record.kept is None or plan is None:
        raise RefusedError(
            f"{view.model} ({view.id}) belongs to the command with pid {view.owner}.",
            why="Only kept engines can be started again; this one ends with its command.",
            hint="End that command and run it again, or use `launchpad start`.",
        )
    stopping.stop(record)
    show_kept(app, keep_running(app, plan, inf if record.kept.idle is None else record.kept.idle, yes=True))


@click.command()
@click.argument("engine", metavar="[ID|MODEL]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on showing what it writes, until it ends.")
@click.option("-n", "--lines", type=click.IntRange(1), help="Only so many of the last lines.")
@click.pass_obj
def logs(app: App, engine: str | None, follow: bool, lines: int | None) -> None:
    """Show what an engine wrote; without a name, the last one that was started, also when it has ended.

    \b
    launchpad logs
    launchpad logs qwen3-8b
    """
    from launchpad.engines.log import EngineLog

    log = EngineLog(_log_of(app, engine))
    for line in log.tail(lines) if lines else log.text().splitlines():
        _show(app, line)
    if follow:
        for line in log.follow():
            _show(app, line)


def _show(app: App, line: str) -> None:
    import sys

    from launchpad.sanitize import clean

    app.output.line(clean(line))
    sys.stdout.flush()


def _log_of(app: App, engine: str | None) -> Path:
    from launchpad.engines import registry
    from launchpad.engines.listing import engines

    kept = sorted(registry.log_dir().glob("*.log"), key=lambda path: -path.stat().st_mtime_ns)
    if engine is not None:
        tokens_ = [view.token for view in _meant(app, engines(), engine)]
        kept = [path for path in kept if path.stem in tokens_] or [
            path for path in kept if len(engine) >= 4 and path.stem.startswith(engine.lower())
        ]
    if not kept:
        raise UsageError(
            f"There is no log of {engine!r}." if engine else "No engine has written a log yet.",
            hint="`launchpad ps` lists the engines; logs of the last ten starts are kept.",
        )
    return kept[0]


def one_of(app: App, views: list[EngineView], text: str | None) -> EngineView:
    """The one engine that is meant. Raises `UsageError` when it is none, or more than one."""
    found = views if text is None else _meant(app, views, text)
    if len(found) == 1:
        return found[0]
    if not views:
        raise EngineError("No engine runs.", hint="`launchpad start` loads one that stays.")
    names = ", ".join(f"{view.id} ({view.model})" for view in views)
    if not found:
        raise UsageError(
            f"No engine is called {text!r}.",
            why=f"There are: {names}.",
            hint="Give an id or a model of these.",
        )
    raise UsageError("More than one engine is meant.", why=names, hint="Give an id, or --all to `stop`.")


def _meant(app: App, views: list[EngineView], text: str) -> list[EngineView]:
    """Those that `ps` calls so; else those of the model that `start` would take for it."""
    from launchpad.catalog.merge import models_of
    from launchpad.engines.listing import matching
    from launchpad.lookup.named import called

    found = matching(views, text)
    if found or not views:
        return found
    names = called(text, models_of(app.host.catalogs()))
    return [view for view in views if view.model in names]
