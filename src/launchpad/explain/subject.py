"""What is explained, and the questions that all parts of an explanation ask of the fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.explain.result import Goal
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.placement import Placed, Request, least
from launchpad.fit.pool import Pool, pool
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

Attempt = Callable[[Build, Machine, Wish], Fit | None]


class Subject(Struct, frozen=True, kw_only=True):
    """One build on one machine, its fit, and how to try others.

    `attempt` computes the fit of another build, machine or wish as the backend does. `layout` is what the file's header
    says, None where only the catalog knows the shape. `apis` are those of the backend. `losses` maps all builds of the
    model that the backend runs to the share of the quality that their quantization takes.
    """

    model: Model
    build: Build
    machine: Machine
    wish: Wish
    fit: Fit
    attempt: Attempt
    layout: Layout | None = None
    apis: Collection[str] | None = None
    losses: Mapping[Build, float | None] = {}

    @property
    def pool(self) -> Pool:
        """The memory that the fit could use."""
        return pool(self.machine, self.apis, allow_swap=self.wish.allow_swap)

    def layout_of(self, build: Build) -> Layout | None:
        """The network as this build lays it out; None when a figure is unknown."""
        if build is self.build and self.layout is not None:
            return self.layout
        found = layout_from_model(self.model, build)
        return None if isinstance(found, UnknownFigure) else found

    def least(self, goal: Goal, *, build: Build | None = None, wish: Wish | None = None) -> Placed | None:
        """The arrangement that needs least for the goal, fitting or not."""
        wish = wish or self.wish
        layout = self.layout_of(build or self.build)
        usable = self.pool
        if layout is None or usable.host.free is None or (goal == "gpu" and not usable.gpus):
            return None
        if goal == "gpu":
            wish = replace(wish, require_gpu=True)
        return least(Request.of(layout, usable, wish, self.model.context, None))


def margin(placed: Placed | Fit | None) -> int | None:
    """Bytes left on the device that has least left, negative when they are missing; None when not known."""
    if placed is None:
        return None
    spare = [device.spare for device in placed.devices if device.spare is not None]
    return min(spare) if spare else None


def lack(placed: Placed | Fit | None) -> int | None:
    """Bytes that are missing on the device that lacks most; 0 when nothing lacks, None when that is not known."""
    left = margin(placed)
    return None if left is None else max(0, -left)


def reaches(fit: Fit | None, goal: Goal) -> bool:
    """Whether the fit is what was hoped for."""
    return fit is not None and fit.runs and (goal == "run" or fit.placement.kind == "gpu")
