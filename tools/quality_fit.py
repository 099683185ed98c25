"""One ability figure per model from many partial, differently scaled benchmark results.

Item-response model: score = c + (1 - c) * logistic(a * (ability - d)) for shares of right answers, and a straight
line for ratings. Every instrument has its own slope a, difficulty d, floor c and noise; every model-in-a-setting its
ability. Fitted by maximum a posteriori with Student-t weights (an outlier counts less), in plain Python.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from quality_scores import CHANCE, MAKER, Observation, Setting, party

Entity = tuple[str, Setting]

ABILITY_SD = 2.0  # prior; weak: one ordinary score outweighs it
SLOPE_SD = 0.5  # prior of log a around log 1
DIFFICULTY_SD = 3.0
FLOOR_SD = 0.03
NOISE_MIN = 0.02
NOISE_START = 0.08
DEGREES = 5.0  # of the Student-t weights
MIN_ENTITIES = 8  # an instrument with fewer is not fitted: it could not be linked to the others
PANEL_ENTITIES = 60  # instruments that make up the published scale
SWEEPS = 300
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Instrument:
    """The response curve of one instrument. `slope`, `shift` and `floor` as in the module's formula."""

    name: str
    benchmark: str
    rating: bool
    entities: int
    slope: float = 1.0
    shift: float = 0.0
    floor: float = 0.0
    noise: float = NOISE_START

    def expect(self, ability: float) -> float:
        """Expected score."""
        if self.rating:
            return self.shift + self.slope * ability
        return self.floor + (1 - self.floor) * self.above_floor(ability)

    def above_floor(self, ability: float) -> float:
        """Expected share of right answers with guessing taken out."""
        return logistic(self.slope * (ability - self.shift))

    def steepness(self, ability: float) -> float:
        """Derivative of the expected score by ability."""
        if self.rating:
            return self.slope
        share = self.above_floor(ability)
        return (1 - self.floor) * share * (1 - share) * self.slope


@dataclass(frozen=True)
class Ability:
    """An estimate with its standard error (before calibration) and the number of scores behind it."""

    value: float
    error: float
    scores: int


@dataclass
class Fit:
    """The fitted model: response curves and abilities, and the observations that they rest on."""

    instruments: dict[str, Instrument]
    abilities: dict[Entity, Ability]
    data: list[Observation] = field(default_factory=list)

    def predict(self, found: Observation) -> float:
        """Expected value of a score of a known entity on a known instrument."""
        return self.instruments[found.instrument].expect(self.abilities[found.entity].value)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    if x < -40:
        return 0.0
    return 1.0 / (1.0 + math.exp(-x))


def usable(data: Iterable[Observation]) -> list[Observation]:
    """Observations on instruments with enough entities that at least one other instrument has seen too."""
    kept = list(data)
    while True:
        per_entity = Counter(found.entity for found in kept)
        linked = Counter(found.instrument for found in kept if per_entity[found.entity] > 1)
        remaining = [found for found in kept if linked[found.instrument] >= MIN_ENTITIES]
        if len(remaining) == len(kept):
            return kept
        kept = remaining


def fit(data: Sequence[Observation]) -> Fit:
    """Fit abilities and instruments to `data` (already `usable`)."""
    by_instrument: dict[str, list[Observation]] = defaultdict(list)
    by_entity: dict[Entity, list[Observation]] = defaultdict(list)
    for found in data:
        by_instrument[found.instrument].append(found)
        by_entity[found.entity].append(found)
    instruments = {name: _start(name, group) for name, group in sorted(by_instrument.items())}
    abilities = {entity: Ability(0.0, ABILITY_SD, len(group)) for entity, group in sorted(by_entity.items())}
    for _ in range(SWEEPS):
        before = abilities.copy()
        for entity, group in by_entity.items():
            abilities[entity] = estimate(group, instruments, abilities[entity].value)
        for name, group in by_instrument.items():
            instruments[name] = _update(instruments[name], group, abilities)
        _standardize(instruments, abilities)
        if max(abs(abilities[e].value - old.value) for e, old in before.items()) < TOLERANCE:
            break
    return Fit(instruments, abilities, data=list(data))


def _standardize(instruments: dict[str, Instrument], abilities: dict[Entity, Ability]) -> None:
    """Move and stretch the scale so that abilities have mean 0 and deviation 1; no expected score changes.

    The data do not fix where the scale lies; without this the sweeps would drift along it for a long time.
    """
    values = [ability.value for ability in abilities.values()]
    mean = sum(values) / len(values)
    unit = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)) or 1.0
    for entity, ability in abilities.items():
        abilities[entity] = replace(ability, value=(ability.value - mean) / unit, error=ability.error / unit)
    for name, item in instruments.items():
        shift = item.shift + item.slope * mean if item.rating else (item.shift - mean) / unit
        instruments[name] = replace(item, shift=shift, slope=item.slope * unit)


def _start(name: str, group: Sequence[Observation]) -> Instrument:
    """First guess: the mean score is what an entity of mean ability gets."""
    mean = sum(found.value for found in group) / len(group)
    first = group[0]
    if first.rating:
        return Instrument(name, first.benchmark, True, len(group), slope=0.08, shift=mean)
    floor = CHANCE.get(first.benchmark, 0.0)
    share = min(max((mean - floor) / (1 - floor), 0.02), 0.98)
    return Instrument(
        name, first.benchmark, False, len(group), shift=-math.log(share / (1 - share)), floor=floor
    )


def _weight(found: Observation, item: Instrument, residual: float) -> float:
    variance = (item.noise * found.noise) ** 2
    return (DEGREES + 1) / (DEGREES + residual * residual / variance) / variance


def estimate(
    group: Sequence[Observation],
    instruments: Mapping[str, Instrument],
    start: float,
    prior: tuple[float, float] = (0.0, ABILITY_SD),
) -> Ability:
    """Ability of one entity from its scores, the instruments and a prior (mean, deviation) being known."""
    value, precision = start, 0.0
    for _ in range(20):
        precision = 1 / prior[1] ** 2
        gradient = (prior[0] - value) / prior[1] ** 2
        for found in group:
            item = instruments[found.instrument]
            residual = found.value - item.expect(value)
            steepness = item.steepness(value)
            weight = _weight(found, item, residual)
            gradient += weight * steepness * residual
            precision += weight * steepness**2
        step = max(-0.5, min(0.5, gradient / precision))
        value += step
        if abs(step) < TOLERANCE / 10:
            break
    return Ability(value, 1 / math.sqrt(precision), len(group))


def _update(
    item: Instrument, group: Sequence[Observation], abilities: Mapping[Entity, Ability]
) -> Instrument:
    """One damped Gauss-Newton step for the curve, then the noise from the residuals."""
    rows: list[tuple[list[float], float, float]] = []
    for found in group:
        ability = abilities[found.entity].value
        residual = found.value - item.expect(ability)
        rows.append((_gradient(item, ability), residual, _weight(found, item, residual)))
    prior = _prior(item)
    matrix = [[sum(w * g[i] * g[j] for g, _, w in rows) for j in range(3)] for i in range(3)]
    vector = [sum(w * g[i] * r for g, r, w in rows) + prior[i][0] / prior[i][1] ** 2 for i in range(3)]
    for i in range(3):
        matrix[i][i] += 1 / prior[i][1] ** 2
    step = _solve(matrix, vector)
    step = [max(-limit, min(limit, move)) for move, limit in zip(step, (0.3, 0.5, 0.05), strict=True)]
    moved = replace(
        item,
        slope=item.slope * math.exp(step[0]),
        shift=item.shift + step[1],
        floor=0.0 if item.rating else min(max(item.floor + step[2], 0.0), 0.5),
    )
    return replace(moved, noise=_noise(moved, group, abilities))


def _gradient(item: Instrument, ability: float) -> list[float]:
    """Derivatives of the expected score by log slope, shift and floor."""
    if item.rating:
        return [item.slope * ability, 1.0, 0.0]
    share = item.above_floor(ability)
    bend = (1 - item.floor) * share * (1 - share)
    return [bend * item.slope * (ability - item.shift), -bend * item.slope, 1 - share]


def _prior(item: Instrument) -> list[tuple[float, float]]:
    """(distance to the prior's center, its standard deviation) for log slope, shift and floor."""
    if item.rating:
        return [(math.log(0.08 / item.slope), 1.0), (0.0, 1e3), (0.0, 1.0)]
    floor = CHANCE.get(item.benchmark, 0.0)
    return [
        (-math.log(item.slope), SLOPE_SD),
        (-item.shift, DIFFICULTY_SD),
        (floor - item.floor, FLOOR_SD),
    ]


def _noise(item: Instrument, group: Sequence[Observation], abilities: Mapping[Entity, Ability]) -> float:
    """Residual standard deviation; the share of each score that its own ability estimate absorbed is added back."""
    total, freedom = 4 * NOISE_START**2, 4.0  # prior worth four scores
    for found in group:
        ability = abilities[found.entity]
        residual = (found.value - item.expect(ability.value)) / found.noise
        weight = _weight(found, item, residual * found.noise)
        leverage = min(weight * (item.steepness(ability.value) * ability.error) ** 2, 0.9)
        total += weight * (item.noise * found.noise) ** 2 * residual**2
        freedom += 1 - leverage
    freedom = max(freedom - 3, 1.0)
    return max(math.sqrt(total / freedom), NOISE_MIN)


def _solve(matrix: list[list[float]], vector: list[float]) -> list[float]:
    """Solve a small symmetric positive system by elimination with pivoting."""
    size = len(vector)
    rows = [[*matrix[i], vector[i]] for i in range(size)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for below in range(column + 1, size):
            factor = rows[below][column] / rows[column][column]
            for k in range(column, size + 1):
                rows[below][k] -= factor * rows[column][k]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(rows[i][k] * solution[k] for k in range(i + 1, size))
        solution[i] = (rows[i][size] - known) / rows[i][i]
    return solution


def panel(fitted: Fit) -> list[Instrument]:
    """The instruments of the published scale: independent, scored in shares, and with many entities."""
    independent = [
        item for item in fitted.instruments.values() if not item.rating and party(item.name) != MAKER
    ]
    enough = min(PANEL_ENTITIES, max((item.entities for item in independent), default=0))
    return [item for item in independent if item.entities >= enough]


def points(items: Sequence[Instrument], ability: float) -> float:
    """Quality, 0-100: mean share of right answers expected on the panel, guessing taken out."""
    return 100 * sum(item.above_floor(ability) for item in items) / len(items)
