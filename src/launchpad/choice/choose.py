"""The choice among candidates: PURE, data in, data out. The reasons: docs/explanation/choice.md.

1. `scoring.rate` gives each candidate (model × build × backend) a score, the quality to expect at least; a worth, the
   score less what waiting, a short context and a full memory cost; and the first thing that stands against it.
2. Each model is represented by the smallest of its builds that are worth as much as its best one.
3. The pick is worth most. Beside it stand a faster and a better one, and each better-scored loser's reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.choice.candidate import Availability as Availability
from launchpad.choice.candidate import Candidate as Candidate
from launchpad.choice.scoring import Rated, figure, is_full, rate
from launchpad.fit.result import Fit
from launchpad.wish import Wish

FASTER_FACTOR = 1.5
"""An alternative is called faster from this multiple of the pick's speed on."""

SAME = 0.25
"""Points of worth within which two builds of one model count as equal: no benchmark can see the difference."""

HERE_BONUS = 1.5
"""Points that a build which is already on this machine may be worse than another of the same model."""

STEP = 1.0
"""Points by which a better model must score more to be worth naming."""

CONVERTERS = ("ggml-org", "unsloth", "bartowski", "lmstudio-community")
"""Publishers of GGUF files whose conversions the community relies on, by preference after the model's own lab."""


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

    `unobtainable` is the model that would have been the pick, had its bytes been obtainable from here. `engine` is why the
    pick's engine runs it and no other, where another could.
    """

    pick: Option | None
    faster: Option | None = None
    better: Option | None = None
    unobtainable: Option | None = None
    losses: tuple[Loss, ...] = ()
    considered: int = 0
    engine: str | None = None


def choose(candidates: Sequence[Candidate], wish: Wish) -> Choice:
    """Pick the best candidate for `wish` and explain it. Deterministic; `pick` is None when nothing can run."""
    rated = [rate(candidate, wish) for candidate in candidates]
    runnable = [r for r in rated if r.obstacle is None]
    good = _one_per_model(r for r in runnable if r.candidate.availability.obtainable)
    pick = max(good, key=_rank, default=None)
    missed = _missed(_one_per_model(runnable), pick)
    above = _above(rated, pick)
    return Choice(
        pick=_option(pick, _pick_reason(pick, above, missed, wish)) if pick else None,
        faster=_faster(good, pick),
        better=_better(rated, pick),
        unobtainable=missed,
        losses=tuple(_loss(r, pick) for r in above),
        considered=len({r.candidate.model.id for r in rated}),
    )


def _rank(rated: Rated) -> tuple[bool, float, int, str]:
    """Rated before unrated, then by worth, then the smaller build, then by name."""
    return (rated.score is not None, rated.worth, -_size(rated), rated.candidate.model.id)


def _size(rated: Rated) -> int:
    return rated.candidate.build.size or 0


def _by_model(rated: Iterable[Rated]) -> dict[str, list[Rated]]:
    models: dict[str, list[Rated]] = {}
    for one in rated:
        models.setdefault(one.candidate.model.id, []).append(one)
    return models


def representative(builds: Iterable[Rated]) -> Rated | None:
    """What stands for a model: its best build that can be had and run, None without one."""
    good = [r for r in builds if is_good(r)]
    return _best_build(good) if good else None


def _one_per_model(runnable: Iterable[Rated]) -> list[Rated]:
    return [_best_build(builds) for builds in _by_model(runnable).values()]


def _best_build(builds: Sequence[Rated]) -> Rated:
    """The smallest build that is worth as much as the best one; one that is here may be worth a little less.

    Another engine may be much faster with a larger one: then the download is worth it.
    """
    rated = [r for r in builds if r.score is not None] or builds
    best = max(r.worth for r in rated)
    here = [r for r in rated if r.candidate.availability.local and r.worth >= best - HERE_BONUS]
    if here:
        return max(here, key=lambda r: (r.worth, _trust(r), r.candidate.build.ref))
    equal = [r for r in rated if r.worth >= best - SAME]
    trusted = [r for r in equal if _trust(r)] or equal
    smallest = min(_quick(trusted), key=_smallness)
    alike = [r for r in trusted if _kind(r) == _kind(smallest)]
    return max(alike, key=lambda r: (_trust(r), r.worth, -_size(r), r.candidate.build.ref))


def _smallness(rated: Rated) -> tuple[float, float, str]:
    return _size(rated) or float("inf"), -rated.worth, rated.candidate.build.ref


def _quick(equal: Sequence[Rated]) -> Sequence[Rated]:
    """Those of another engine that are much faster than the smallest, where there are any; else all."""
    smallest = min(equal, key=_smallness)
    bar = (smallest.speed or float("inf")) * FASTER_FACTOR
    engine = smallest.candidate.fit.backend
    quick = [r for r in equal if r.speed and r.speed >= bar and r.candidate.fit.backend != engine]
    return quick or equal


def _kind(rated: Rated) -> tuple[str, str]:
    """What makes two builds the same thing from different publishers."""
    return rated.candidate.fit.backend, rated.candidate.build.quantization.upper().removeprefix("UD-")


def _trust(rated: Rated) -> int:
    """The lab's own files first, then those of well-known converters, in their order; 0 for all others."""
    build = rated.candidate.build
    if build.official:
        return len(CONVERTERS) + 1
    publisher = build.ref.partition("://")[2].partition("/")[0].lower()
    return len(CONVERTERS) - CONVERTERS.index(publisher) if publisher in CONVERTERS else 0


def _missed(ideals: Sequence[Rated], pick: Rated | None) -> Option | None:
    """What would have been the pick, if its bytes could be had."""
    ideal = max(ideals, key=_rank, default=None)
    if ideal is None or ideal.candidate.availability.obtainable:
        return None
    if pick is not None and _rank(ideal) <= _rank(pick):
        return None
    return _option(ideal, ideal.candidate.availability.why_not or "not obtainable")


def _option(rated: Rated, reason: str) -> Option:
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


def _pick_reason(pick: Rated, above: Sequence[Rated], missed: Option | None, wish: Wish) -> str:
    if wish.model is not None and not wish.model.startswith("auto"):
        return "you asked for it"
    if pick.score is None:
        return "the best that runs here, though no benchmark rates it yet"
    if any(is_good(r) for r in above):
        return f"the best balance of {wish.purpose} quality and speed here"
    if missed is not None:
        return f"the best {wish.purpose} quality that can be had from here"
    return f"the best {wish.purpose} quality that runs here"


def is_good(rated: Rated) -> bool:
    """Whether it could be picked: it runs as wished, and can be had."""
    return rated.obstacle is None and rated.candidate.availability.obtainable


def _faster(good: Iterable[Rated], pick: Rated | None) -> Option | None:
    if pick is None or pick.speed is None:
        return None
    bar = pick.speed * FASTER_FACTOR
    quick = [r for r in good if r.speed is not None and r.speed >= bar and r is not pick]
    best = max(quick, key=_rank, default=None)
    if best is None or best.speed is None:
        return None
    return _option(best, f"about {best.speed / pick.speed:.1f} times as fast")


def _above(rated: Iterable[Rated], pick: Rated | None) -> list[Rated]:
    """One candidate of each model that scores better than the pick, best first; without a pick, of all models."""
    floor = -1.0 if pick is None or pick.score is None else pick.score
    own = pick.candidate.model.id if pick else None
    models = _by_model(r for r in rated if pick is None or (r.score is not None and r.score > floor))
    nearest = [_nearest(builds) for model, builds in models.items() if model != own]
    return sorted(
        nearest, key=lambda r: (r.score is not None, r.score or 0.0, r.candidate.model.id), reverse=True
    )


def _nearest(builds: Iterable[Rated]) -> Rated:
    """The candidate that comes nearest to being the pick: one that runs, else the one that needs least memory."""
    return max(
        builds,
        key=lambda r: (
            is_good(r),
            r.candidate.fit.runs,
            r.candidate.fit.verdict != "unknown",
            r.worth if r.candidate.fit.runs else -float(r.candidate.fit.total or _size(r)),
            r.candidate.build.ref,
        ),
    )


def _better(rated: Iterable[Rated], pick: Rated | None) -> Option | None:
    """The next step up and what it costs: patience or a larger download, else the least memory that would do."""
    if pick is not None and pick.score is None:
        return None
    bar = -1.0 if pick is None or pick.score is None else pick.score + STEP
    above = [r for r in rated if pick is None or (r.score is not None and r.score >= bar)]
    if not above:
        return None
    best = _nearest(above)
    return _option(best, _against(best, pick))


def _loss(rated: Rated, pick: Rated | None) -> Loss:
    model = rated.candidate.model
    return Loss(model_id=model.id, name=model.name, score=rated.score, reason=_against(rated, pick))


def _against(rated: Rated, pick: Rated | None) -> str:
    """The one reason why this candidate is not the pick."""
    availability = rated.candidate.availability
    if rated.obstacle:
        return rated.obstacle
    if not availability.obtainable:
        return availability.why_not or "not obtainable from here"
    return _price(rated, pick) if pick else "not chosen"


def _price(rated: Rated, pick: Rated) -> str:
    """What the better score of a candidate that runs would cost against the pick."""
    more = (rated.score or 0.0) - (pick.score or 0.0)
    fit = rated.candidate.fit
    if rated.speed and pick.speed and rated.speed < pick.speed / 1.1:
        return f"{more:.1f} points more, but about {figure(rated.speed)} tokens/s instead of {figure(pick.speed)}"
    if rated.thinking and not pick.thinking:
        return f"{more:.1f} points more, but only by thinking at length before it answers"
    if fit.settings.context < pick.candidate.fit.settings.context:
        return f"{more:.1f} points more, but only {fit.settings.context:,} tokens of context fit here"
    if is_full(fit):
        return f"{more:.1f} points more, but {fit.why or 'it leaves almost no memory for anything else'}"
    return (
        f"only {more:.1f} points more, for {_size(rated) / 1e9:.1f} GB instead of {_size(pick) / 1e9:.1f} GB"
    )
