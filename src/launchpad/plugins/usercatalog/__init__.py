"""What the user added to the packaged catalog: models of one's own, and what `catalog update` brought."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Catalog, hookimpl, kept_catalogs, load_packaged, own_catalogs


@hookimpl(tryfirst=True)  # before the packaged catalog: the first that knows an id has the say
def launchpad_catalogs() -> Sequence[Catalog]:
    """Return one's own models, refreshed builds and another day's catalog, as far as there are any."""
    day, packaged = load_packaged()
    kept = kept_catalogs(packaged, day.isoformat())
    return [*own_catalogs(packaged, kept), *kept]
