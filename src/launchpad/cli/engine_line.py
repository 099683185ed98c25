"""What the engine says while it starts, on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.events import EngineReady, Event, Notice, Report

if TYPE_CHECKING:
    from launchpad.cli.app import App


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
