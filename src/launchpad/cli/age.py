"""Saying aloud that the catalog is old, where a choice rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.cli.app import App


def note_age(app: App) -> None:
    """One line on stderr when the newest catalog is old; nothing is refused for it."""
    from datetime import UTC, datetime

    from launchpad.catalog.age import stale

    newest = max((one.date for one in app.host.catalogs() if one.date), default=None)
    if text := stale(newest, datetime.now(UTC).date()):
        app.output.note(text)
