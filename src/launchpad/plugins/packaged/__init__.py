"""The catalog that comes with launchpad, as a plugin like any other."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Catalog, Model, hookimpl, load_packaged


class PackagedCatalog:
    """Models known on the day that this version was built. No network."""

    name = "packaged"

    @property
    def date(self) -> str | None:
        """The day (YYYY-MM-DD) that the data speaks of."""
        return load_packaged()[0].isoformat()

    def models(self) -> Sequence[Model]:
        """All models."""
        return load_packaged()[1]


@hookimpl
def launchpad_catalogs() -> Sequence[Catalog]:
    """Return the packaged catalog."""
    return [PackagedCatalog()]
