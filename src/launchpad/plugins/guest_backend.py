"""A command backend that is a guest: it runs where it is asked for, and says what its fit cannot tell."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import Machine
from launchpad.plugins.command_backend import CommandBackend
from launchpad.wish import LEAST_CONTEXT, Wish


class GuestBackend(CommandBackend):
    """Runs where it is asked for by its name, and leaves everything else to launchpad's own engines.

    A subclass says with `architectures` which networks its engine knows, and with `remark` what its fit cannot tell.
    """

    architectures: frozenset[str] | None = None
    remark: str | None = None

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """The built-in formulas, with what they cannot tell; None where another engine was not ruled out."""
        if wish.backend != self.name:
            return None
        network = model.shape.architecture
        if self.architectures is not None and network is not None and network not in self.architectures:
            return self._refusal(model, build, wish, network)
        found = super().fit(model, build, machine, wish, layout)
        return (
            found
            if found is None or self.remark is None
            else replace(found, notes=(*found.notes, self.remark))
        )

    def _refusal(self, model: Model, build: Build, wish: Wish, network: str) -> Fit:
        known = ", ".join(sorted(self.architectures or ()))
        return Fit(
            model_id=model.id,
            build=build.ref,
            backend=self.name,
            settings=Settings(context=wish.context or LEAST_CONTEXT),
            placement=Placement(kind="unknown"),
            devices=(),
            verdict="no",
            why=f"the engine {self.name} knows the networks {known}, and this is {network}",
        )
