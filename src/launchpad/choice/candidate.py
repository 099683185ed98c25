"""One way to run one model, as the choice sees it: frozen data."""

from __future__ import annotations

from msgspec import Struct

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.fit.result import Fit


class Availability(Struct, frozen=True, kw_only=True):
    """Whether the bytes of a build can be had from here: already local, from a source that answers, or not.

    `why_not` and `hint` are set when `obtainable` is False.
    """

    obtainable: bool
    local: LocalModel | None = None
    why_not: str | None = None
    hint: str | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """One way to run one model: a build, a backend, its fit and whether it can be had.

    `quantization_loss` is the share of the quality that the quantization takes, 0 to 1 (None = nobody has measured
    it), `quantization_spread` how far that share may be off.
    """

    model: Model
    build: Build
    fit: Fit
    availability: Availability
    quantization_loss: float | None = 0.0
    quantization_spread: float = 0.0
