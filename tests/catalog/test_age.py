"""An old catalog is told, a young one is not."""

from __future__ import annotations

from datetime import date

import pytest

from launchpad.catalog.age import stale


def test_an_old_catalog_is_told_with_its_age_and_the_way_out() -> None:
    text = stale("2026-01-01", date(2026, 4, 1))
    assert text is not None
    assert "90 days old" in text
    assert "launchpad catalog update --from" in text


@pytest.mark.parametrize("day", ["2026-03-01", "2026-04-05", None, "yesterday"])
def test_a_young_one_or_one_of_unknown_day_is_not(day: str | None) -> None:
    assert stale(day, date(2026, 4, 1)) is None
