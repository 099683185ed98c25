"""What is said on stderr of a choice, of a plan before it is carried out, and of an engine while it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.events import EngineReady, Event, Notice, Report

if TYPE_CHECKING:
    from launchpad.cli.app import App
    from launchpad.cli.output import Output
    from launchpad.plan import Plan


def note_age(app: App) -> None:
    """One line when the newest catalog is old; nothing is refused for it."""
    from datetime import UTC, datetime

    from launchpad.catalog.age import stale

    newest = max((one.date for one in app.host.catalogs() if one.date), default=None)
    if text := stale(newest, datetime.now(UTC).date()):
        app.output.note(text)


def tell(out: Output, plan: Plan) -> None:
    """The plan's notices."""
    for notice in plan.notices:
        out.note(notice, "yellow")


def with_engine_lines(app: App, progress: Report) -> Report:
    """Show progress, the line of what the engine really did, and notices; tell observing plugins too."""

    def report(event: Event) -> None:
        progress(event)
        if isinstance(event, EngineReady):
            app.output.note(event.summary)
        elif isinstance(event, Notice):
            app.output.note(event.message, "red")
        app.host.emit(event)

    return report
