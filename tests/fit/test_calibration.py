"""Learning: the same launch is expected again, others are corrected within bounds, nothing leaks between engines."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from launchpad.fit.calibration import (
    BOUNDS,
    Figures,
    Measurement,
    calibrate,
    decode_at,
    formula_speeds,
    placement_key,
)
from launchpad.fit.result import Band, DeviceMemory, Fit, Placement, Settings, Speed, Term

MIB = 1 << 20
ENGINE = "2026.10.11549"
SPEED = Speed(
    decode=Band(low=60, value=100, high=140),
    prefill=Band(low=200, value=500, high=800),
    first_token=1.0,
    depth=512,
    seconds_per_depth=5e-6,
)
FIT = Fit(
    model_id="m",
    build="b",
    backend="llamacpp",
    settings=Settings(context=4096, threads=2),
    placement=Placement(kind="cpu", devices=("cpu",)),
    devices=(
        DeviceMemory(
            device="cpu",
            terms=(
                Term(name="weights", bytes=90 * MIB, basis="exact"),
                Term(name="overhead", bytes=40 * MIB, basis="reserve"),
            ),
            free=1 << 30,
        ),
    ),
    verdict="fits",
    speed=SPEED,
)


def seen(**changes: Any) -> Measurement:
    """A launch of that fit at half the speed of the formulas."""
    one = Measurement(
        time="2026-11-01T10:00:00+00:00",
        source="run",
        machine="x",
        backend="llamacpp",
        engine=f"llama.cpp b11549 (xllamacpp {ENGINE})",
        placement=placement_key(FIT.placement),
        model="m",
        build="key",
        size=100,
        settings=FIT.settings,
        predicted=Figures(decode=100, depth=512, prefill=500),
        measured=Figures(decode=50, depth=512, prefill=400, load=2.0, overhead=35 * MIB),
    )
    return replace(one, **changes)


def learned(*measurements: Measurement, build: str = "key", size: int = 100, engine: str = ENGINE) -> Speed:
    return calibrate(FIT, measurements, build=build, size=size, engine=engine).speed


def test_nothing_learned_changes_nothing() -> None:
    assert calibrate(FIT, (), build="key", size=100, engine=ENGINE) is FIT


def test_the_same_launch_is_expected_again() -> None:
    found = learned(seen())
    assert found.decode is not None
    assert found.decode.value == pytest.approx(50)
    assert found.decode.basis == "measured"
    assert found.load == 2.0
    assert found.first_token == pytest.approx(512 / 400 + 1 / 50)


def test_a_longer_context_is_the_same_launch_and_other_threads_are_not() -> None:
    longer, other = (replace(FIT.settings, context=8192), replace(FIT.settings, threads=1))
    for settings, basis in ((longer, "measured"), (other, "calibrated")):
        found = learned(seen(settings=settings)).decode
        assert found is not None
        assert found.basis == basis


def test_another_model_is_corrected_and_keeps_its_range_until_enough_was_seen() -> None:
    once, often = (learned(*[seen()] * count, build="other", size=400) for count in (1, 3))
    assert once.decode is not None
    assert often.decode is not None
    assert once.decode.basis == often.decode.basis == "calibrated"
    assert once.decode.value == often.decode.value == pytest.approx(50)
    assert once.decode.high == pytest.approx(70)
    assert often.decode.high == pytest.approx(60)
    assert once.load == pytest.approx(8.0)


def test_the_median_ignores_one_bad_day() -> None:
    bad = replace(seen().measured, decode=1.0)
    found = learned(seen(), seen(), seen(measured=bad)).decode
    assert found is not None
    assert found.value == pytest.approx(50)


def test_what_was_seen_once_under_load_has_a_wide_range_and_a_steady_one_a_narrow_one() -> None:
    once, often = learned(seen()).decode, learned(*[seen()] * 4).decode
    assert once is not None
    assert often is not None
    assert once.high - once.low > often.high - often.low


@pytest.mark.parametrize("build", ["key", "other"])
def test_what_others_slowed_teaches_nothing_of_speed(build: str) -> None:
    assert learned(seen(busy=1.5), build=build) == SPEED
    quiet = learned(seen(), build=build)
    assert (
        learned(*[seen(busy=1.5, measured=Figures(decode=5, depth=512, load=60.0))] * 20, seen(), build=build)
        == quiet
    )
    assert (
        learned(seen(), *[seen(busy=1.5, measured=Figures(decode=5, depth=512, load=60.0))] * 30, build=build)
        == quiet
    )


def test_what_others_slowed_still_tells_the_memory() -> None:
    found = calibrate(FIT, [seen(busy=1.5)], build="key", size=100, engine=ENGINE)
    assert found.devices[0].term("overhead") == 35 * MIB


@pytest.mark.parametrize("decode", [1e-6, 1e9])
def test_a_correction_of_another_model_is_bounded(decode: float) -> None:
    found = learned(seen(measured=Figures(decode=decode, depth=512)), build="other").decode
    assert found is not None
    assert BOUNDS[0] * 100 <= found.value <= BOUNDS[1] * 100


@pytest.mark.parametrize("change", [{"backend": "ollama"}, {"placement": "gpu:nvidia:0"}])
def test_other_engines_and_other_devices_say_nothing(change: dict[str, Any]) -> None:
    assert learned(seen(**change)) == SPEED


def test_another_build_of_the_engine_calibrates_but_does_not_measure() -> None:
    found = learned(seen(), engine="2027.1.1").decode
    assert found is not None
    assert found.basis == "calibrated"


def test_the_overhead_that_was_seen_replaces_the_reserve_where_it_has_room() -> None:
    (device,) = calibrate(FIT, (seen(),), build="key", size=100, engine=ENGINE).devices
    assert device.terms[1] == Term(name="overhead", bytes=35 * MIB, basis="measured")
    crowded = replace(FIT, devices=(replace(FIT.devices[0], free=130 * MIB),))
    huge = seen(measured=Figures(overhead=900 * MIB))
    assert calibrate(crowded, (huge,), build="key", size=100, engine=ENGINE).devices == crowded.devices


def test_corrections_do_not_pile_up() -> None:
    """What is stored as predicted is the formulas' figure, so that a second launch learns the same factor."""
    found = learned(seen())
    again = formula_speeds(found, 512)
    assert again.decode == pytest.approx(100)
    assert again.prefill == pytest.approx(500)


def test_decode_slows_with_depth_and_learned_figures_slow_alike() -> None:
    deep = decode_at(SPEED, 2512)
    assert deep == pytest.approx(1 / (0.010 + 2000 * 5e-6))
    assert decode_at(learned(seen()), 2512) == pytest.approx(deep / 2)
    assert decode_at(Speed(), 100) is None
