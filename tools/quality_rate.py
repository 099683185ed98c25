"""From fitted abilities to published figures: points with an honest spread, and values per purpose.

The fit's own standard errors assume that every score errs on its own. They do not: one party's harness shifts all of its
scores together, and a model tuned for mathematics is better at all mathematics than its general ability says. Both
shifts are measured here from models that several parties, or several groups of benchmarks, have seen, and are added.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from quality_fit import Ability, Entity, Fit, Instrument, estimate, panel, points
from quality_scores import CODE, GROUPS, MAKER, Group, Observation, Purpose, party

MIN_SCORES = 2  # one score is not a comparison: the model stays "not yet rated"
MIN_GROUP_SCORES = 2
_WIDE = 6.0  # prior deviation where the scores alone shall speak
_TELLING = 0.5  # sides whose standard error is larger say too little to compare
_CUT_MEAN = 0.995  # mean of min(z*z, 9) for a standard normal z


@dataclass(frozen=True)
class Shifts:
    """Standard deviations, in ability, of what a party and what a group of benchmarks have in common."""

    party: float
    group: float


@dataclass(frozen=True)
class Rating:
    """What is published for one model."""

    value: float
    spread: float
    scores: int
    parties: tuple[str, ...]
    value_fast: float | None
    purposes: dict[Purpose, float]


def shifts(fitted: Fit) -> Shifts:
    """Measure both shifts from entities that have been seen from two sides."""
    return Shifts(
        party=_shift(fitted, lambda found: party(found.instrument)),
        group=_shift(
            fitted, lambda found: GROUPS.get(found.benchmark), same=lambda found: party(found.instrument)
        ),
    )


def _shift(
    fitted: Fit,
    side: Callable[[Observation], str | None],
    same: Callable[[Observation], str] = lambda found: "",
) -> float:
    """Deviation of the sides' own abilities from each other beyond what their standard errors explain.

    The deviation is chosen such that the mean of the standardized squared differences, each cut off at 9, is what a
    normal distribution cut off alike would give.
    """
    pairs: list[tuple[float, float]] = []
    for by_side in _sides(fitted, side, same):
        estimates = [
            estimate(group, fitted.instruments, fitted.abilities[group[0].entity].value, (0.0, _WIDE))
            for group in by_side
        ]
        pairs += [
            ((one.value - two.value) ** 2, one.error**2 + two.error**2)
            for i, one in enumerate(estimates)
            for two in estimates[:i]
            if max(one.error, two.error) < _TELLING
        ]
    low, high = 0.0, 3.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        cut = sum(min(square / (error + 2 * middle**2), 9.0) for square, error in pairs) / max(len(pairs), 1)
        low, high = (middle, high) if cut > _CUT_MEAN else (low, middle)
    return high


def _sides(
    fitted: Fit, side: Callable[[Observation], str | None], same: Callable[[Observation], str]
) -> Iterable[list[list[Observation]]]:
    grouped: dict[tuple[Entity, str], dict[str, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for found in fitted.data:
        if (name := side(found)) is not None:
            grouped[(found.entity, same(found))][name].append(found)
    return [list(sides.values()) for sides in grouped.values() if len(sides) > 1]


def ratings(fitted: Fit, measured: Shifts | None = None) -> dict[str, Rating]:
    """The published figures of every model that has enough scores."""
    measured = measured or shifts(fitted)
    scale = panel(fitted)
    by_entity: dict[Entity, list[Observation]] = defaultdict(list)
    for found in fitted.data:
        by_entity[found.entity].append(found)
    return {
        model: _rating(fitted, scale, measured, by_entity, model)
        for model, setting in sorted(by_entity)
        if setting == "best" and comparable(by_entity[(model, setting)])
    }


def comparable(group: Sequence[Observation]) -> bool:
    """Whether the scores allow a comparison with other models.

    One score is none. What only the maker has measured must at least come from two groups of benchmarks: a card that
    shows nothing but competition mathematics says little about the rest.
    """
    if {party(found.instrument) for found in group} == {MAKER}:
        return len({GROUPS.get(found.benchmark) for found in group} - {None}) >= 2
    return len(group) >= MIN_SCORES


def spread(
    scale: Sequence[Instrument], ability: Ability, group: Sequence[Observation], measured: Shifts
) -> float:
    """Standard error in points: the fit's own, plus what parties and groups have in common."""
    parties = {party(found.instrument) for found in group}
    groups = {GROUPS.get(found.benchmark) for found in group} - {None}
    error = math.sqrt(
        ability.error**2 + measured.party**2 / len(parties) + measured.group**2 / max(len(groups), 1)
    )
    return (points(scale, ability.value + error) - points(scale, ability.value - error)) / 2


def _rating(
    fitted: Fit,
    scale: Sequence[Instrument],
    measured: Shifts,
    by_entity: dict[Entity, list[Observation]],
    model: str,
) -> Rating:
    group = by_entity[(model, "best")]
    ability = fitted.abilities[(model, "best")]
    fast = by_entity.get((model, "fast"), [])
    fast_value = points(scale, fitted.abilities[(model, "fast")].value) if len(fast) >= MIN_SCORES else None
    return Rating(
        value=points(scale, ability.value),
        spread=spread(scale, ability, group, measured),
        scores=len(group),
        parties=tuple(sorted({party(found.instrument) for found in group})),
        value_fast=fast_value,
        purposes={
            name: points(scale, special.value)
            for name, special in _purposes(fitted, group, ability, measured).items()
        },
    )


def _purposes(
    fitted: Fit, group: Sequence[Observation], ability: Ability, measured: Shifts
) -> dict[Purpose, Ability]:
    """Ability in each group of benchmarks: the general one, moved by the group's own scores; and for code."""
    by_group = grouped(group)
    found: dict[Purpose, Ability] = {
        name: purpose_ability(fitted, own, ability, measured)
        for name, own in sorted(by_group.items())
        if len(own) >= MIN_GROUP_SCORES
    }
    if sum(one.benchmark in CODE for one in group) >= MIN_GROUP_SCORES:
        parts = [
            code_ability(fitted, name, by_group, ability, measured) for name in dict.fromkeys(CODE.values())
        ]
        found["code"] = replace(ability, value=sum(part.value for part in parts) / len(parts))
    return found


def grouped(scores: Iterable[Observation]) -> dict[Group, list[Observation]]:
    """Scores by the group of their benchmark."""
    by_group: dict[Group, list[Observation]] = defaultdict(list)
    for found in scores:
        if (name := GROUPS.get(found.benchmark)) is not None:
            by_group[name].append(found)
    return by_group


def code_ability(
    fitted: Fit,
    name: Group | None,
    by_group: Mapping[Group, list[Observation]],
    general: Ability,
    measured: Shifts,
) -> Ability:
    """What predicts a benchmark of code that goes with the group `name`: its own ability, or the general one."""
    own = by_group.get(name, []) if name else []
    return purpose_ability(fitted, own, general, measured) if own else general


def purpose_ability(fitted: Fit, own: Sequence[Observation], general: Ability, measured: Shifts) -> Ability:
    """Ability in one group: its own scores, held to the general ability by the size of the usual group shift."""
    return estimate(own, fitted.instruments, general.value, (general.value, measured.group))
