"""The quality fit on simulated models, whose true ability is known."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(autouse=True)
def tools_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(TOOLS))
    yield
    for name in ("quality_scores", "quality_fit", "quality_rate"):
        sys.modules.pop(name, None)


def simulated(seed: int, coverage: float) -> tuple[list, dict[str, float]]:  # type: ignore[type-arg]
    """60 simulated models, 8 simulated instruments of which each model has seen some."""
    from quality_scores import Observation

    chance = random.Random(seed)
    truth = {f"model-{i:02d}": chance.gauss(0, 1) for i in range(60)}
    curves = {f"instrument-{k}": (chance.uniform(0.7, 2.0), chance.uniform(-1.5, 1.5)) for k in range(8)}
    data = [
        Observation(
            model,
            "best",
            name,
            name,
            1 / (1 + math.exp(-slope * (ability - hard))) + chance.gauss(0, 0.03),
            1.0,
        )
        for model, ability in truth.items()
        for name, (slope, hard) in curves.items()
        if chance.random() < coverage
    ]
    return data, truth


def test_recovers_the_order_from_half_of_the_scores() -> None:
    import quality_fit

    data, truth = simulated(1, coverage=0.5)
    fitted = quality_fit.fit(quality_fit.usable(data))
    names = [model for model, _ in fitted.abilities]
    found = sorted(names, key=lambda name: fitted.abilities[(name, "best")].value)
    place = {name: i for i, name in enumerate(sorted(names, key=lambda name: truth[name]))}
    wrong = sum(abs(place[name] - i) for i, name in enumerate(found)) / len(found)
    assert wrong < 3


def test_one_absurd_score_does_not_move_a_model() -> None:
    import quality_fit
    from quality_scores import Observation

    data, _ = simulated(2, coverage=1.0)
    clean = quality_fit.fit(data).abilities[("model-07", "best")].value
    spoiled = [
        Observation(f.model, f.setting, f.instrument, f.benchmark, 1 - f.value, f.noise)
        if (f.model, f.instrument) == ("model-07", "instrument-0")
        else f
        for f in data
    ]
    assert quality_fit.fit(spoiled).abilities[("model-07", "best")].value == pytest.approx(clean, abs=0.3)


def test_more_scores_narrow_the_error() -> None:
    import quality_fit

    few, _ = simulated(3, coverage=0.3)
    many, _ = simulated(3, coverage=1.0)

    def mean_error(data: list) -> float:  # type: ignore[type-arg]
        errors = [ability.error for ability in quality_fit.fit(quality_fit.usable(data)).abilities.values()]
        return sum(errors) / len(errors)

    assert mean_error(many) < mean_error(few)


def test_what_only_a_maker_measured_in_one_field_is_not_comparable() -> None:
    import quality_rate
    from quality_scores import Observation

    def own(benchmark: str) -> Observation:
        return Observation("m", "best", f"{benchmark}, self-reported", benchmark, 0.9, 1.0)

    assert not quality_rate.comparable([own("AIME 2024"), own("AIME 2025"), own("MATH-500")])
    assert quality_rate.comparable([own("AIME 2024"), own("MMLU")])


def record(**fields: object) -> dict[str, object]:
    return {"id": "m", "capabilities": {"thinking": "switchable"}, "scores": [], **fields}


def score(benchmark: str, value: float, variant: str, **fields: object) -> dict[str, object]:
    return {
        "benchmark": benchmark, "value": value, "unit": "%", "variant": variant, "slug": "m", "kind": "independent",
        "estimated": None, "date": "2026-07-31", **fields,
    }  # fmt: skip


def test_thinking_and_not_thinking_are_two_settings() -> None:
    from quality_scores import observations

    scores = [
        score(name, value, variant)
        for variant, value in (("Reasoning", 60), ("Non-reasoning", 40))
        for name in ("GPQA Diamond", "SciCode", "IFBench")
    ]
    found = {(f.setting, f.value) for f in observations([record(scores=scores)])}
    assert found == {("best", 0.6), ("fast", 0.4)}


def test_the_newer_index_counts_and_the_rescaled_one_never() -> None:
    from quality_scores import INDEX, observations

    old = score(INDEX, 10.0, "Reasoning", unit="index v4.1")
    new = score(INDEX, 12.0, "Reasoning", unit="index v4.1", date="2026-08-22")
    other = score(f"{INDEX} (rescaled in September 2026)", 5.0, "Reasoning", unit="index v4.3")
    assert [f.value for f in observations([record(scores=[old, new, other])])] == [0.12]
    (alone,) = observations([record(scores=[old])])
    assert alone.value == pytest.approx((1.0379 * 10 - 0.472) / 100)


def test_code_is_the_mean_of_what_its_benchmarks_go_with() -> None:
    import quality_fit
    import quality_rate
    from quality_scores import Observation

    names = ["SciCode", "LiveCodeBench", "Terminal-Bench Hard", "AIME 2025", "tau2-bench Telecom"]
    data = [
        Observation(f"m-{i:02d}", "best", name, name, 1 / (1 + math.exp(-(i - 10) / 6)), 1.0)
        for i in range(20)
        for name in names
    ]
    # One model is far better at mathematics and contest problems than its other scores say.
    strong = [
        Observation("strong", "best", name, name, value, 1.0)
        for name, value in zip(names, (0.5, 0.85, 0.5, 0.85, 0.5), strict=True)
    ]
    fitted = quality_fit.fit(quality_fit.usable([*data, *strong]))
    rated = quality_rate.ratings(fitted, quality_rate.Shifts(party=0.1, group=0.5))
    own, plain = rated["strong"].purposes, rated["m-05"].purposes
    assert own["tools"] < own["code"] < own["reasoning"]
    assert abs(plain["code"] - rated["m-05"].value) < 1.0


def test_one_result_of_code_makes_no_figure() -> None:
    import quality_fit
    import quality_rate
    from quality_scores import Observation

    data = [
        Observation(f"m-{i:02d}", "best", name, name, (i + 5) / 30, 1.0)
        for i in range(20)
        for name in ("SciCode", "GPQA Diamond")
    ]
    fitted = quality_fit.fit(quality_fit.usable(data))
    assert all("code" not in rating.purposes for rating in quality_rate.ratings(fitted).values())
