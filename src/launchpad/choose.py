"""The choice among fits: PURE, data in, data out.

The rule, in order:

1. Each candidate (model × build × backend) gets a score: the model's expected quality, less what its quantization
   costs, less the uncertainty of the evidence, so that a thinly measured model cannot win by luck. Where the machine
   is too slow for a model that thinks at length, the score without thinking counts.
2. A candidate is out when the machine cannot hold it, when it is slower than the wish demands, or when its bytes
   cannot be had from here. Each model keeps its best candidate, and each better-scored loser keeps its one reason.
3. The pick is the best score; on a tie the smaller build. Beside it stand a faster and a better one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.fit.result import Fit
from launchpad.wish import Purpose, Wish

MIN_SPEED: dict[Purpose, float] = {
    "chat": 6.0,
    "code": 10.0,
    "reasoning": 10.0,
    "vision": 6.0,
    "tools": 10.0,
    "multilingual": 6.0,
}
"""Least decode tokens/s by purpose: people read 5 to 7 tokens/s; code and tools are waited for, not read along."""

THINKING_FACTOR = 3.0
"""A model that thinks before it answers writes several times the tokens: thinking counts from this multiple of the
least speed on."""

WITHOUT_THINKING = 0.8
"""Share of its quality that a model keeps with thinking off, where only the value with thinking was measured: the
median over the 58 models of the catalog of 2026-10-09 that are rated both ways (quartiles 0.72 and 0.91)."""

FASTER_FACTOR = 1.5
"""An alternative is called faster from this multiple of the pick's speed on."""


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

    `quantization_loss` is the share of the quality that the quantization takes, 0 to 1; None = nobody has measured it.
    """

    model: Model
    build: Build
    fit: Fit
    availability: Availability
    quantization_loss: float | None = 0.0


class Option(Struct, frozen=True, kw_only=True):
    """A candidate in a choice, with its score (None = not yet rated) and the one reason it is named.

    `model.builds` is left empty: the build that counts is `build`.
    """

    model: Model
    build: Build
    fit: Fit
    availability: Availability
    score: float | None
    thinking: bool
    reason: str


class Loss(Struct, frozen=True, kw_only=True):
    """A model that scores better than the pick and lost, and the one reason."""

    model_id: str
    name: str
    score: float | None
    reason: str


class Choice(Struct, frozen=True, kw_only=True):
    """The answer: `pick`, a `faster` and a `better` one, and why the better-scored models lost.

    `unobtainable` is the model that would have been the pick, had its bytes been obtainable from here.
    """

    pick: Option | None
    faster: Option | None = None
    better: Option | None = None
    unobtainable: Option | None = None
    losses: tuple[Loss, ...] = ()
    considered: int = 0


class _Rated(Struct, frozen=True):
    """A candidate with its score and what stands against it: from the machine, and from where its bytes are."""

    candidate: Candidate
    score: float | None
    thinking: bool
    speed: float | None
    obstacle: str | None

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Rated before unrated, then by score, then the smaller build."""
        return (self.score is not None, self.score or 0.0, -(self.candidate.build.size or 0))


def choose(candidates: Sequence[Candidate], wish: Wish) -> Choice:
    """Pick the best candidate for `wish` and explain it. Deterministic; `pick` is None when nothing can run."""
    rated = [_rate(candidate, wish) for candidate in candidates]
    models = _best_per_model(rated, lambda r: r.obstacle is None and r.candidate.availability.obtainable)
    runnable = [r for r in models if r.obstacle is None]
    obtainable = [r for r in runnable if r.candidate.availability.obtainable]
    pick = max(obtainable, key=_rank, default=None)
    ideal = max(
        (r for r in _best_per_model(rated, lambda r: r.obstacle is None) if r.obstacle is None),
        key=_rank,
        default=None,
    )
    missed = (
        ideal
        if ideal and not ideal.candidate.availability.obtainable and (not pick or ideal.rank > pick.rank)
        else None
    )
    return Choice(
        pick=_option(pick, _pick_reason(pick, wish)) if pick else None,
        faster=_faster(obtainable, pick),
        better=_better(models, pick),
        unobtainable=_option(missed, missed.candidate.availability.why_not or "not obtainable")
        if missed
        else None,
        losses=_losses(models, pick),
        considered=len(models),
    )


def minimum_speed(wish: Wish) -> float:
    """The least decode speed in tokens/s that the wish accepts."""
    return wish.min_speed if wish.min_speed is not None else MIN_SPEED[wish.purpose]


def _rank(rated: _Rated) -> tuple[bool, float, int, str]:
    return (*rated.rank, rated.candidate.model.id)


def _rate(candidate: Candidate, wish: Wish) -> _Rated:
    decode = candidate.fit.speed.decode
    speed = decode.value if decode else None
    thinking = _thinks(candidate.model, speed, wish)
    score = _score(candidate, wish, thinking)
    return _Rated(candidate, score, thinking, speed, _obstacle(candidate, wish, speed))


def _thinks(model: Model, speed: float | None, wish: Wish) -> bool:
    """Whether the answer should be thought about at length here: only where the machine is quick enough."""
    style = (model.capabilities.thinking or "none").split(",")[0]
    if style == "none":
        return False
    return style == "always" or speed is None or speed >= THINKING_FACTOR * minimum_speed(wish)


def _score(candidate: Candidate, wish: Wish, thinking: bool) -> float | None:
    """A lower bound of the quality to expect; None when the model or its quantization is not rated."""
    quality = candidate.model.quality
    if quality is None or candidate.quantization_loss is None:
        return None
    value = quality.of(wish.purpose)
    if not thinking and candidate.model.capabilities.thinking not in (None, "none"):
        fast = quality.value_fast if quality.value_fast is not None else WITHOUT_THINKING * quality.value
        value *= fast / quality.value if quality.value else 1.0
    return max(0.0, value * (1.0 - candidate.quantization_loss) - quality.spread)


def _obstacle(candidate: Candidate, wish: Wish, speed: float | None) -> str | None:
    """The first thing that stands against running this candidate here; None when nothing does."""
    fit, build = candidate.fit, candidate.build
    if not fit.runs:
        return fit.why or "it does not fit"
    if wish.require_gpu and fit.placement.kind != "gpu":
        return "it would not run wholly on a GPU"
    least = minimum_speed(wish)
    if _always_thinks(candidate.model) and wish.min_speed is None:
        least *= THINKING_FACTOR / 2
    if speed is not None and speed < least:
        return f"about {speed:.2g} tokens/s here, below {least:.2g}"
    local = candidate.availability.local
    if (
        wish.max_download is not None
        and local is None
        and build.size is not None
        and build.size > wish.max_download
    ):
        return (
            f"a download of {build.size / 1e9:.1f} GB is above the limit of {wish.max_download / 1e9:.1f} GB"
        )
    return None


def _always_thinks(model: Model) -> bool:
    return (model.capabilities.thinking or "").startswith("always")


def _best_per_model(rated: Iterable[_Rated], good: Callable[[_Rated], bool]) -> list[_Rated]:
    """The best candidate of each model: good ones first, then by rank, then by the least memory."""
    best: dict[str, _Rated] = {}
    for one in rated:
        key = one.candidate.model.id
        if key not in best or _preference(one, good) > _preference(best[key], good):
            best[key] = one
    return list(best.values())


def _preference(rated: _Rated, good: Callable[[_Rated], bool]) -> tuple[bool, bool, float, float, int]:
    is_good = good(rated)
    here = rated.candidate.availability.local is not None
    # Of those that cannot run, the smallest build tells best why the model lost.
    score = _worth(rated) if is_good else 0.0
    return (is_good, rated.obstacle is None, score, float(here), -(rated.candidate.build.size or 0))


def _worth(rated: _Rated) -> float:
    """The score; of a model that nobody has rated, the share that its quantization leaves of it."""
    if rated.score is not None:
        return rated.score
    loss = rated.candidate.quantization_loss
    return 0.0 if loss is None else 1.0 - loss


def _option(rated: _Rated, reason: str) -> Option:
    candidate = rated.candidate
    return Option(
        model=replace(candidate.model, builds=()),
        build=candidate.build,
        fit=candidate.fit,
        availability=candidate.availability,
        score=rated.score,
        thinking=rated.thinking,
        reason=reason,
    )


def _pick_reason(pick: _Rated, wish: Wish) -> str:
    if wish.model is not None and not wish.model.startswith("auto"):
        return "you asked for it"
    if pick.score is None:
        return "the best that runs here, though no benchmark rates it yet"
    return f"the best {wish.purpose} quality that runs here"


def _faster(obtainable: Iterable[_Rated], pick: _Rated | None) -> Option | None:
    if pick is None or pick.speed is None:
        return None
    bar = pick.speed * FASTER_FACTOR
    quick = [r for r in obtainable if r.speed is not None and r.speed >= bar and r is not pick]
    best = max(quick, key=_rank, default=None)
    if best is None or best.speed is None:
        return None
    return _option(best, f"about {best.speed / pick.speed:.1f} times as fast")


def _above(models: Iterable[_Rated], pick: _Rated | None) -> list[_Rated]:
    """The models that score better than the pick, best first; without a pick, all of them."""
    if pick is None:
        return sorted(models, key=_rank, reverse=True)
    floor = pick.score if pick.score is not None else -1.0
    above = (r for r in models if r is not pick and r.score is not None and r.score > floor)
    return sorted(above, key=_rank, reverse=True)


def _better(models: Iterable[_Rated], pick: _Rated | None) -> Option | None:
    """The next better model that costs more: one that runs but was ruled out, else the nearest that does not fit."""
    above = _above(models, pick)
    if not above:
        return None
    holds = [r for r in above if r.candidate.fit.runs]
    best = (
        holds[0] if holds else min(above, key=lambda r: (r.candidate.build.size or 0, r.candidate.model.id))
    )
    return _option(best, _against(best))


def _losses(models: Iterable[_Rated], pick: _Rated | None) -> tuple[Loss, ...]:
    return tuple(
        Loss(
            model_id=r.candidate.model.id,
            name=r.candidate.model.name,
            score=r.score,
            reason=_against(r),
        )
        for r in _above(models, pick)
    )


def _against(rated: _Rated) -> str:
    return rated.obstacle or rated.candidate.availability.why_not or "not obtainable from here"
