"""What an explanation says: the fit, where a token's time goes, what fits at which context, what would help, sources."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from launchpad.catalog.model import Build, Model
from launchpad.fit.result import Band, Fit, KvType, Placement, Verdict
from launchpad.fit.speed import TokenTime
from launchpad.hardware.machine import Machine

Goal = Literal["run", "gpu"]  # to run at all; to run wholly on GPUs
ChangeKind = Literal["context", "kv_type", "ubatch", "build", "free", "memory", "gpu"]


class TokenCost(Struct, frozen=True, kw_only=True):
    """Where the time of one token goes, with `depth` tokens before it. The times of all devices add up to 1 / speed."""

    depth: int
    weights_read: float  # bytes per token over all devices
    kv_read: float
    times: tuple[TokenTime, ...]
    speed: Band

    @property
    def seconds(self) -> float:
        """The whole time of the token."""
        return sum(time.total for time in self.times)


class Rung(Struct, frozen=True, kw_only=True):
    """One context with one type of KV cache. `needs` are bytes over all devices, `lacks` those that are missing.

    `decode` is the speed once the context is full. `largest` marks the largest context that runs with this type.
    """

    context: int
    kv_type: KvType
    verdict: Verdict
    needs: int
    lacks: int
    placement: Placement
    decode: Band | None
    largest: bool = False


class Change(Struct, frozen=True, kw_only=True):
    """One thing to change, by itself. `saves` are the bytes that it brings towards the goal, `lacks` what is missing then.

    `fit` is what comes of it where it reaches the goal. A change that the fit has already made has no `fit`.
    `quality_cost` is the share of the model's quality that another build takes beyond this one; None = not measured.
    """

    kind: ChangeKind
    text: str
    saves: int | None = None
    lacks: int | None = None
    reaches: bool = False
    fit: Fit | None = None
    quality_cost: float | None = None


class Remedies(Struct, frozen=True, kw_only=True):
    """What would reach the goal, in the order of what it costs. `already` are economies that the fit made before it gave up.

    `shared` says that layers were shared between GPUs and main memory, and that main memory is what lacks.
    """

    goal: Goal
    lacks: int | None
    already: tuple[Change, ...]
    changes: tuple[Change, ...]
    shared: bool = False

    @property
    def cheapest(self) -> Change | None:
        """The first change that is enough by itself."""
        return next((change for change in self.changes if change.reaches), None)

    @property
    def lossless(self) -> Change | None:
        """The first change that is enough and leaves the model as it is."""
        lossy = ("kv_type", "build")
        return next((change for change in self.changes if change.reaches and change.kind not in lossy), None)


class Score(Struct, frozen=True, kw_only=True):
    """One published benchmark result, who published it and when. `kind`: independent, self-reported, second hand."""

    benchmark: str
    value: float
    unit: str | None
    setting: str | None
    kind: str | None
    source: str | None
    date: str | None
    estimated: bool = False


class Sources(Struct, frozen=True, kw_only=True):
    """What the catalog's figures of a model rest on. Empty where the catalog does not know the model."""

    scores: tuple[Score, ...] = ()
    license: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    shape: str | None = None
    released: str | None = None
    notes: tuple[str, ...] = ()


class Explanation(Struct, frozen=True, kw_only=True):
    """`explain --json`. `model.builds` is empty: the build that counts is `build`.

    `reason` says why this build was taken. `token` holds the time of a token early in a conversation and, where that is
    known, with a full context. `next_up` says what the next larger context and build would need.
    """

    machine: Machine
    model: Model
    build: Build
    reason: str
    fit: Fit
    quantization_loss: float | None
    token: tuple[TokenCost, ...]
    ladder: tuple[Rung, ...]
    remedies: Remedies | None
    next_up: tuple[Change, ...]
    sources: Sources
