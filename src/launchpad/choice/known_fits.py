"""Fits that were computed already: models of one shape, in files of one size, need and do the same.

Large catalogs are full of such: each base model has its many fine-tunes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

if TYPE_CHECKING:
    from launchpad.catalog.model import Build, Model
    from launchpad.fit.layout import Layout
    from launchpad.fit.result import Fit
    from launchpad.hardware.machine import Machine
    from launchpad.plugins.spec import Backend
    from launchpad.wish import Wish


class KnownFits:
    """The built-in fits of one machine and wish, each computed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Fit | None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def fit(
        self,
        backend: Backend,
        model: Model,
        build: Build,
        machine: Machine,
        wish: Wish,
        layout: Layout | None = None,
    ) -> Fit | None:
        """What `backend` says of the build. A file's own `layout`, and a backend's own fit, are asked each time."""
        if layout is not None or not getattr(backend, "fits_alike", False):
            return backend.fit(model, build, machine, wish, layout)
        network = (model.shape, model.context, model.parameters, model.parameters_active)
        key = (backend.name, *network, build.quantization, build.size, build.size_exact)
        if key not in self._known:
            self._known[key] = backend.fit(model, build, machine, wish, None)
        found = self._known[key]
        return found and replace(found, model_id=model.id, build=build.ref)
