"""How good are the quality figures? `python tools/quality_report.py [FACTS]`

Holds back benchmark results, fits the rest, predicts what was held back, and compares with ranking by parameter count
alone. Without FACTS it reads the evidence that comes with launchpad. Deterministic; about a minute.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import quality_fit
import quality_rate
from quality_fit import Fit
from quality_scores import CODE, GROUPS, Observation, Purpose, observations, party

from launchpad.catalog.load import load_packaged

T = TypeVar("T")

FOLDS = 5
MIN_HELD = 15  # scores of an instrument that a rank correlation needs
Predict = Callable[[Observation], float | None]


def main() -> int:
    """Print the report."""
    records = _records(sys.argv[1] if len(sys.argv) > 1 else None)
    sizes = {model.id: model.parameters or 0.0 for model in load_packaged()[1]}
    data = quality_fit.usable(observations(records))
    entities = {found.entity for found in data}
    print(f"{len(data)} scores, {len({found.instrument for found in data})} instruments, ", end="")
    print(f"{len({found.model for found in data})} models in {len(entities)} settings")
    _scores(data, sizes)
    _parties(data, sizes)
    fitted = quality_fit.fit(data)
    measured = quality_rate.shifts(fitted)
    scale = quality_fit.panel(fitted)
    unit = quality_fit.points(scale, 0.5) - quality_fit.points(scale, -0.5)
    print(
        f"\n1 unit of ability at the middle: {unit:.0f} points; shift of a party {measured.party:.2f} units, ",
        end="",
    )
    print(f"of a group {measured.group:.2f} units")
    print(f"panel: {', '.join(item.name for item in scale)}")
    return 0


def _records(facts: str | None) -> list[dict[str, Any]]:
    if facts is not None:
        return list(json.loads(Path(facts).read_text("utf-8")))
    text = resources.files("launchpad.catalog").joinpath("data", "evidence.jsonl").read_text("utf-8")
    return [_as_facts(json.loads(line)) for line in text.splitlines()]


def _as_facts(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": evidence["id"],
        "scores": evidence.get("scores"),
        "capabilities": {"thinking": evidence.get("thinking")},
    }


def _scores(data: Sequence[Observation], sizes: Mapping[str, float]) -> None:
    """Every fifth score held back at random, five times."""
    held: list[tuple[Observation, float | None, float | None, float]] = []
    z: list[float] = []
    special: dict[Purpose, list[tuple[float, float]]] = defaultdict(list)
    for train, test in _folds(list(data)):
        fitted = quality_fit.fit(train)
        measured = quality_rate.shifts(fitted)
        by_size = _by_size(train, sizes)
        seen: dict[quality_fit.Entity, list[Observation]] = defaultdict(list)
        for found in train:
            seen[found.entity].append(found)
        for found in test:
            if found.entity not in fitted.abilities or found.instrument not in fitted.instruments:
                continue
            predicted = fitted.predict(found)
            held.append((found, predicted, by_size(found), fitted.instruments[found.instrument].noise))
            z.append((found.value - predicted) / _deviation(fitted, found, measured, seen[found.entity]))
            if name := GROUPS.get(found.benchmark):
                own = [other for other in seen[found.entity] if GROUPS.get(other.benchmark) == name]
                if own:  # with the held-back one at least two, as for a published figure
                    ability = quality_rate.purpose_ability(
                        fitted, own, fitted.abilities[found.entity], measured
                    )
                    better = fitted.instruments[found.instrument].expect(ability.value)
                    special[name].append((abs(found.value - predicted), abs(found.value - better)))
            if found.benchmark in CODE:
                by_group = quality_rate.grouped(seen[found.entity])
                ability = quality_rate.code_ability(
                    fitted, CODE[found.benchmark], by_group, fitted.abilities[found.entity], measured
                )
                better = fitted.instruments[found.instrument].expect(ability.value)
                special["code"].append((abs(found.value - predicted), abs(found.value - better)))
    print("\nHeld-back scores (20 % of all, at random, five times)")
    _table([(found, ours, size) for found, ours, size, _ in held])
    print(
        f"\n  within 1 predicted deviation {_share(z, 1):.0%} (normal: 68 %), within 2 {_share(z, 2):.0%} (95 %)"
    )
    print(
        "\n  mean error of a held-back score of a group, in points: by general quality, by the group's own figure"
    )
    for purpose, pairs in sorted(special.items()):
        general, own_error = (100 * sum(pair[i] for pair in pairs) / len(pairs) for i in (0, 1))
        print(f"    {purpose:10s} {general:5.2f} {own_error:5.2f}   ({len(pairs)} scores)")


def _deviation(
    fitted: Fit, found: Observation, measured: quality_rate.Shifts, seen: Sequence[Observation]
) -> float:
    """Predicted standard deviation of a held-back score: of the instrument, and of the ability."""
    item = fitted.instruments[found.instrument]
    ability = fitted.abilities[found.entity]
    same = party(found.instrument) in {party(other.instrument) for other in seen}
    error = math.sqrt(ability.error**2 + measured.group**2 + (0 if same else 2 * measured.party**2))
    return math.hypot(item.noise * found.noise, item.steepness(ability.value) * error)


def _parties(data: Sequence[Observation], sizes: Mapping[str, float]) -> None:
    """All scores of one party held back for half of its models, twice: the figures of the others must say them."""
    rows: list[tuple[Observation, float | None, float | None]] = []
    for name in sorted({party(found.instrument) for found in data}):
        entities = sorted({found.entity for found in data if party(found.instrument) == name})
        for _, held in _folds(entities, folds=2):
            chosen = set(held)
            test = [f for f in data if f.entity in chosen and party(f.instrument) == name]
            train = [f for f in data if not (f.entity in chosen and party(f.instrument) == name)]
            fitted = quality_fit.fit(train)
            by_size = _by_size(train, sizes)
            known = [f for f in test if f.entity in fitted.abilities and f.instrument in fitted.instruments]
            rows += [(found, fitted.predict(found), by_size(found)) for found in known]
    print("\nA party's scores predicted from what the other parties measured")
    _table(rows)


def _folds(items: list[T], folds: int = FOLDS) -> Iterable[tuple[list[T], list[T]]]:
    order = list(range(len(items)))
    random.Random(20261123).shuffle(order)  # not for secrets
    for fold in range(folds):
        out = set(order[fold::folds])
        yield [x for i, x in enumerate(items) if i not in out], [items[i] for i in sorted(out)]


def _by_size(train: Sequence[Observation], sizes: Mapping[str, float]) -> Predict:
    """The rival: each instrument's straight line through the logarithm of the parameter count."""
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for found in train:
        points[found.instrument].append((math.log(sizes[found.model]), found.value))
    lines = {name: _line(pairs) for name, pairs in points.items()}

    def predict(found: Observation) -> float | None:
        line = lines.get(found.instrument)
        return None if line is None else line[0] + line[1] * math.log(sizes[found.model])

    return predict


def _line(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    count = len(pairs)
    mean_x = sum(x for x, _ in pairs) / count
    mean_y = sum(y for _, y in pairs) / count
    spread = sum((x - mean_x) ** 2 for x, _ in pairs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in pairs) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope


def _table(rows: Sequence[tuple[Observation, float | None, float | None]]) -> None:
    """Mean error and rank correlation per instrument, ours against parameter count."""
    by_instrument: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for found, ours, size in rows:
        if ours is not None and size is not None:
            by_instrument[found.instrument].append((found.value, ours, size))
    print(f"  {'instrument':46s}     n  error: ours  size   rank: ours  size")
    totals: list[tuple[int, float, float, float, float]] = []
    for name, triples in sorted(by_instrument.items()):
        if len(triples) < MIN_HELD:
            continue
        truth = [triple[0] for triple in triples]
        by_fit, by_size = ([triple[i] for triple in triples] for i in (1, 2))
        row = (
            len(truth),
            _error(truth, by_fit),
            _error(truth, by_size),
            _rank(truth, by_fit),
            _rank(truth, by_size),
        )
        totals.append(row)
        print(f"  {name:46s} {row[0]:5d}      {row[1]:6.2f} {row[2]:6.2f}       {row[3]:5.2f} {row[4]:5.2f}")
    count = sum(row[0] for row in totals)
    mean = [sum(row[0] * row[i] for row in totals) / count for i in (1, 2, 3, 4)]
    print(
        f"  {'all, weighted by n':46s} {count:5d}      {mean[0]:6.2f} {mean[1]:6.2f}       {mean[2]:5.2f} {mean[3]:5.2f}"
    )


def _error(truth: Sequence[float], guess: Sequence[float]) -> float:
    return 100 * sum(abs(a - b) for a, b in zip(truth, guess, strict=True)) / len(truth)


def _share(z: Sequence[float], limit: float) -> float:
    return sum(abs(value) <= limit for value in z) / len(z)


def _rank(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's rank correlation; ties share their mean rank."""
    a, b = _ranks(left), _ranks(right)
    mean = (len(a) - 1) / 2
    above = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return above / math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))


def _ranks(values: Sequence[float]) -> list[float]:
    positions: dict[float, list[int]] = defaultdict(list)
    for place, value in enumerate(sorted(values)):
        positions[value].append(place)
    return [sum(positions[value]) / len(positions[value]) for value in values]


if __name__ == "__main__":
    sys.exit(main())
