"""The packaged catalog as a plugin."""

from __future__ import annotations

from launchpad.plugins import Catalog, packaged
from launchpad.plugins.packaged import launchpad_catalogs


def test_hands_over_one_catalog() -> None:
    (catalog,) = launchpad_catalogs()
    assert isinstance(catalog, Catalog)
    assert catalog.name == "packaged"
    assert len(catalog.models()) == 406
    assert catalog.date is not None
    assert catalog.date >= "2026-10-01"


def test_the_hook_is_marked() -> None:
    assert packaged.launchpad_catalogs.launchpad_impl  # type: ignore[attr-defined]  # set by pluggy
