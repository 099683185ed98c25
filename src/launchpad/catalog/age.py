"""How old the evidence is that a choice rests on: PURE."""

from __future__ import annotations

from datetime import date

STALE_DAYS = 60
"""From this age on it is said aloud: good new models come out every few weeks."""


def stale(catalog_date: str | None, today: date) -> str | None:
    """What to tell of a catalog of this day, None while it is young or its day is unknown."""
    try:
        days = (today - date.fromisoformat(catalog_date or "")).days
    except ValueError:
        return None
    if days < STALE_DAYS:
        return None
    return (
        f"The catalog is {days} days old and knows no model that came out since; "
        "upgrade launchpad, or take a newer one with `launchpad catalog update --from`."
    )
