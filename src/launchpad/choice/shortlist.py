"""Which candidates a choice needs: PURE. A fit is computed only where it can matter.

`choose` gives the same answer for the short list as for all candidates, because

* no candidate is worth more than its model's ceiling, so that models are looked at from the highest ceiling down, and
  no further once a pick and a faster one are found that nothing left could beat;
* with the same engine a larger build of the same model needs more memory: what is larger than one that does not fit is
  only named, never run;
* no build is worth more than its possible score, so that smaller ones stop to matter below the best one's worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from launchpad.catalog.model import Build, Model
from launchpad.choice.candidate import Candidate
from launchpad.choice.choose import FASTER_FACTOR, HERE_BONUS, STEP, is_good, representative
from launchpad.choice.ordering import in_order
from launchpad.choice.scoring import Rated, ceiling, possible_score, rate
from launchpad.wish import Purpose, Wish


class Way(Struct, frozen=True, kw_only=True):
    """A build of a model for one backend, before its fit is known. `look` computes it; None: it is not for this one."""

    backend: str
    build: Build
    here: bool
    quantization_loss: float | None
    quantization_spread: float
    look: Callable[[], Candidate | None]


LISTED = 200
"""Most models that are too large for the machine, of which the reason is worked out: the best, and the smallest."""


class _Looked(Struct, frozen=True):
    """What was computed of one model, and the ways that are left."""

    model: Model
    rated: list[Rated]
    left: list[Way]


def shortlist(
    models: Sequence[Model],
    wish: Wish,
    ways: Callable[[Model], Sequence[Way]],
    too_large: Callable[[Model], bool] = lambda model: False,
) -> list[Candidate]:
    """The candidates of `models` that decide the choice for `wish`. No build of a model that is `too_large` can run."""
    seen: list[_Looked] = []
    large: list[Model] = []
    good: list[Rated] = []
    pick: Rated | None = None
    for most, model in _ordered(models, wish):
        if pick is not None and _settled(good, pick, most):
            break
        if too_large(model):
            large.append(model)
            continue
        looked = _look(model, ways(model), wish)
        seen.append(looked)
        if best := representative(looked.rated):
            good.append(best)
            pick = max(pick or best, best, key=_rank)
    seen += [_Looked(model, [], _by_size(ways(model))) for model in _to_list(large)]
    score = None if pick is None else pick.score
    return [r.candidate for looked in seen for r in looked.rated] + list(_named(seen, score, wish))


def _rank(rated: Rated) -> tuple[bool, float]:
    return (rated.score is not None, rated.worth)


def _ordered(models: Sequence[Model], wish: Wish) -> Iterator[tuple[float | None, Model]]:
    """(ceiling, model) from the highest ceiling down, then by id; those that are not rated at the end."""
    ceilings = [ceiling(model, wish.purpose) for model in models]
    keys = [1.0 if most is None else -most for most in ceilings]
    return ((ceilings[i], models[i]) for i in in_order(keys, lambda i: models[i].id))


def _by_size(ways: Iterable[Way]) -> list[Way]:
    return sorted(ways, key=lambda way: (way.build.size or 0, way.build.ref))


def _to_list(large: list[Model]) -> list[Model]:
    """All, or of very many the best, which come first, and the smallest."""
    if len(large) <= LISTED:
        return large
    small = sorted(large, key=lambda model: min((build.size or 0 for build in model.builds), default=0))[
        : LISTED // 2
    ]
    return list({model.id: model for model in (*large[: LISTED // 2], *small)}.values())


def _settled(good: Sequence[Rated], pick: Rated, most: float | None) -> bool:
    """Whether no model with this ceiling, or a lower one, could be the pick or the faster one."""
    if pick.score is None:
        return False
    if most is None:  # not rated: it loses to everything that is
        most = -1000.0
    if most >= pick.worth:
        return False
    if pick.speed is None:
        return True
    bar = pick.speed * FASTER_FACTOR
    rated = (r for r in good if r.score is not None and r.speed is not None and r.speed >= bar)
    return any(r.worth > most for r in rated)


def _look(model: Model, ways: Iterable[Way], wish: Wish) -> _Looked:
    """Compute the model's ways that can matter: what is here or of unknown size, and of each backend the best that fit."""
    looked = _Looked(model, [], [])
    groups: dict[str, list[Way]] = {}
    for way in ways:
        if way.here or way.build.size is None:
            _rate(looked, way, wish)
        else:
            groups.setdefault(way.backend, []).append(way)
    for group in groups.values():
        _look_at_backend(looked, _by_size(group), wish)
    return looked


def _look_at_backend(looked: _Looked, group: list[Way], wish: Wish) -> None:
    """From the largest build that fits down, until no smaller one can be worth as much."""
    tried: dict[int, bool] = {}

    def fits(index: int) -> bool:
        if index not in tried:
            tried[index] = _rate(looked, group[index], wish)
        return tried[index]

    low, high = -1, len(group)  # `low` fits, `high` does not
    if not fits(0):
        high = 0
    while high - low > 1:
        middle = 0 if low < 0 else (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    for index in range(low, -1, -1):
        best = max((r.worth for r in looked.rated if is_good(r)), default=None)
        rated = looked.model.quality is not None  # builds of others are compared by a nominal quality
        if (
            not rated
            or best is None
            or _possible(looked.model, group[index], wish.purpose) >= best - HERE_BONUS
        ):
            fits(index)
    looked.left.extend(way for index, way in enumerate(group) if index >= high and index not in tried)


def _rate(looked: _Looked, way: Way, wish: Wish) -> bool:
    """Compute one way; whether it fits."""
    candidate = way.look()
    if candidate is None:
        return False
    looked.rated.append(rate(candidate, wish))
    return candidate.fit.runs


def _named(seen: Iterable[_Looked], score: float | None, wish: Wish) -> Iterator[Candidate]:
    """Of each model, the smallest builds that score more than the pick, and those that are a step above it."""
    floor = -1.0 if score is None else score
    for looked in seen:
        left = [(_possible(looked.model, way, wish.purpose), way) for way in looked.left]
        above = [way for possible, way in left if possible > floor]
        step = [way for possible, way in left if possible >= floor + STEP]
        for way in {id(way): way for way in (*above[:1], *step[:1])}.values():
            if candidate := way.look():
                yield candidate


def _possible(model: Model, way: Way, purpose: Purpose) -> float:
    score = possible_score(model, purpose, way.quantization_loss, way.quantization_spread)
    return -1.0 if score is None else score
