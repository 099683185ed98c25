"""What launchpad does, as OpenTelemetry spans and metrics: an observer of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.plugins import Event, hookimpl

if TYPE_CHECKING:
    from launchpad_otel.exporting import Exporting

_exporting: Exporting | None = None


@hookimpl
def launchpad_event(event: Event) -> None:
    """Note when it happened; a thread does the rest. Without an endpoint nothing is done and nothing is imported."""
    global _exporting
    if _exporting is None:
        from launchpad_otel.exporting import Exporting, wanted

        if not wanted():
            return
        _exporting = Exporting()
    _exporting.put(event)
