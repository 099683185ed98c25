"""A command backend that is a guest: it runs where it is asked for, and says what its fit cannot tell."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Band, Fit, Placement, Settings
from launchpad.hardware.machine import Machine
from launchpad.plugins.command_backend import CommandBackend
from launchpad.wish import LEAST_CONTEXT, Wish


class GuestBackend(CommandBackend):
    """Runs where it is asked for by its name, and leaves everything else to launchpad's own engines.

    A subclass says with `architectures` which networks its engine knows, and with `remark` what its fit cannot tell. The formulas'
    speed is that of another engine: this one has `slowest` times as much at the least.
    """

    guest = True  # nobody computes anything for it, and no choice speaks of it, before it is asked for
    architectures: frozenset[str] | None = None
    remark: str | None = None
    slowest = 0.2  # a guess, until launches here were measured: it makes the band wide, and leaves its middle for the choice

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
        return found and self.honest(found)

    def honest(self, fit: Fit) -> Fit:
        """The fit of formulas for another engine, no surer than they can be of this one."""
        told = (*fit.notes, self.remark) if self.remark else fit.notes
        speed = replace(
            fit.speed, decode=self._widened(fit.speed.decode), prefill=self._widened(fit.speed.prefill)
        )
        return replace(fit, notes=told, speed=speed)

    def _widened(self, band: Band | None) -> Band | None:
        return band and replace(band, low=band.low * self.slowest)

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
