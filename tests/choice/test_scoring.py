"""Scores and worths: what is uncertain counts less, what is slow, short or full costs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from factories import GIB, candidate, local
from launchpad.catalog.load import load_packaged
from launchpad.catalog.quality import quantization_penalty, quantization_spread
from launchpad.choice.choose import Availability
from launchpad.choice.scoring import MIN_SPEED, ceiling, is_full, possible_score, rate
from launchpad.fit import fit
from launchpad.hardware.simulate import simulate
from launchpad.wish import Wish

WISH = Wish()


def worth(**fields: object) -> float:
    return rate(candidate("m", 60, **fields), WISH).worth  # type: ignore[arg-type]


def test_thin_evidence_scores_less() -> None:
    sure = rate(candidate("sure", 50, spread=1.0), WISH).score
    lucky = rate(candidate("lucky", 54, spread=7.0), WISH).score
    assert sure is not None
    assert lucky is not None
    assert sure > lucky


def test_low_quantizations_of_huge_models_are_doubted() -> None:
    huge, measured = 1e12, 70.6e9
    assert quantization_penalty("IQ1_M", huge) < quantization_penalty("IQ1_M", measured)  # type: ignore[operator]
    assert quantization_spread("IQ1_M", huge) > 2 * quantization_spread("IQ1_M", measured)


def test_mixtures_of_experts_are_doubted_more_than_dense_models() -> None:
    assert quantization_spread("IQ2_M", 35e9, 3e9) > 2 * quantization_spread("IQ2_M", 35e9)
    assert quantization_spread("Q6_K", 35e9, 3e9) < 0.01


def test_what_is_lossless_or_not_measured_has_no_spread() -> None:
    assert quantization_spread("BF16", 8e9) == 0.0
    assert quantization_spread("no-such-type", 8e9) == 0.0


def test_a_lossy_build_loses_more_where_answers_are_chains() -> None:
    lossy = candidate("m", 60, loss=0.2)
    chat, code = rate(lossy, WISH).score, rate(lossy, Wish(purpose="code")).score
    assert chat is not None
    assert code is not None
    assert code < chat


def test_speed_is_worth_something_up_to_what_is_comfortable() -> None:
    assert worth(speed=6.0) < worth(speed=9.0) < worth(speed=12.0) == worth(speed=200.0)


def test_text_slower_than_people_read_costs_more_than_slowness_alone() -> None:
    comfortable, reading, half = worth(speed=12.0), worth(speed=10.0), worth(speed=5.0)
    assert reading - half > comfortable - worth(speed=6.0)  # a halving each; only the first lies wholly below
    stated = Wish(min_speed=5.0)
    assert (
        rate(candidate("m", 60, speed=5.0), stated).worth
        == rate(candidate("m", 60, speed=50.0), stated).worth
    )


def test_a_dense_model_at_reading_speed_loses_to_a_quick_mixture_of_nearly_its_quality() -> None:
    dense = rate(candidate("dense", 64, speed=8.0), WISH)
    mixture = rate(candidate("mixture", 61, speed=32.0), WISH)
    assert mixture.worth > dense.worth
    assert rate(candidate("dense", 70, speed=8.0), WISH).worth > mixture.worth


def test_an_unknown_speed_is_not_free() -> None:
    """Where nobody can say how fast the memory is, the dense 27B would win on any processor."""
    dense = rate(candidate("dense", 64, size=16 * GIB, speed=None), WISH)
    mixture = candidate("mixture", 61, size=18 * GIB, speed=None)
    mixture = replace(mixture, model=replace(mixture.model, parameters=30e9, parameters_active=3e9))
    assert rate(mixture, WISH).worth > dense.worth
    assert dense.speed is None and dense.obstacle is None
    assert worth(size=GIB, speed=None) == worth(size=None, speed=None) == worth(speed=200.0)
    on_gpu = rate(candidate("dense", 64, size=16 * GIB, speed=None, kind="gpu"), WISH)
    assert on_gpu.worth > dense.worth


def test_a_stated_least_speed_holds_where_the_speed_is_not_known() -> None:
    """On a busy machine, whose memory could not be measured, `--min-speed 9999` was met by every model."""
    unknown = candidate("dense", 64, size=16 * GIB, speed=None)  # 1.2 tokens/s with a slow memory
    told = rate(unknown, Wish(min_speed=2.0)).obstacle
    assert told == "its speed here is not known; with a slow memory it is about 1.2 tokens/s, below 2"
    assert rate(unknown, Wish(min_speed=1.0)).obstacle is None
    assert rate(unknown, Wish(min_speed=0.0)).obstacle is None
    untold = rate(candidate("m", 60, size=None, speed=None), Wish(min_speed=1.0))
    assert untold.obstacle == "its speed here is not known"


def test_a_stated_least_speed_is_quick_enough() -> None:
    slow = candidate("m", 60, speed=2.0)
    assert rate(slow, Wish(min_speed=2.0)).worth == rate(candidate("m", 60, speed=50.0), WISH).worth


def test_a_short_context_and_a_full_memory_cost() -> None:
    assert worth(context=2048) < worth(context=4096) < worth(context=8192) == worth(context=32768)
    assert worth(verdict="tight", context=8192) < worth(context=8192)
    assert worth(memory=16 * (1 << 30), context=8192) < worth(context=8192)


def test_thinking_needs_a_quicker_machine() -> None:
    def thinks(speed: float, style: str = "switchable") -> bool:
        return rate(candidate("m", 60, quality_fast=40, thinking=style, speed=speed), WISH).thinking

    assert not thinks(8.0)
    assert thinks(40.0)
    always = rate(candidate("m", 60, thinking="always", speed=8.0), WISH)
    assert always.obstacle is not None
    assert "thinks before it answers" in always.obstacle


def test_who_asks_for_reasoning_waits_for_it() -> None:
    slow = candidate("m", 60, quality_fast=30, thinking="switchable", speed=MIN_SPEED["reasoning"])
    assert rate(slow, Wish(purpose="reasoning")).thinking


def test_a_coder_is_not_taken_for_a_talker() -> None:
    from msgspec.structs import replace

    plain = candidate("m", 60)
    coder = replace(
        plain, model=replace(plain.model, capabilities=replace(plain.model.capabilities, code=True))
    )
    chat = (rate(coder, WISH).score, rate(plain, WISH).score)
    code = (rate(coder, Wish(purpose="code")).score, rate(plain, Wish(purpose="code")).score)
    assert chat[0] < chat[1]  # type: ignore[operator]
    assert code[0] == code[1]


def test_an_unknown_size_is_no_small_download() -> None:
    rated = rate(candidate("m", 60, size=None), Wish(max_download=10**9))
    assert rated.obstacle == "how large its download is, is not known"


@pytest.mark.parametrize("purpose", list(MIN_SPEED))
def test_no_build_scores_above_its_models_ceiling(purpose: str) -> None:
    for model in load_packaged()[1]:
        most = ceiling(model, purpose)  # type: ignore[arg-type]
        for build in model.builds:
            loss = quantization_penalty(build.quantization, model.parameters)
            spread = quantization_spread(build.quantization, model.parameters, model.parameters_active)
            score = possible_score(model, purpose, loss, spread)  # type: ignore[arg-type]
            assert score is None or (most is not None and score <= most)


def test_a_gpu_that_shares_main_memory_fills_it_too() -> None:
    on = simulate("M1 8GB")
    model = next(model for model in load_packaged()[1] if model.id == "qwen3.5-9b")
    sizes = {build.quantization: build for build in model.builds if build.format == "gguf"}
    large = fit(model, sizes["Q3_K_M"], on, Wish())
    small = fit(model, sizes["UD-Q2_K_XL"], on, Wish(context=4096))
    assert [device.device for device in large.devices if device.total] == ["apple:0"]
    assert large.runs
    assert is_full(large)
    assert small.room is not None
    assert large.room is not None
    assert small.room > large.room
    assert not is_full(fit(model, sizes["Q3_K_M"], simulate("M4 16GB"), Wish()))


@pytest.mark.parametrize(
    ("speed", "shown"), [(4.98, "about 4.98"), (4.996, "about 4.996"), (3.2, "about 3.2")]
)
def test_a_speed_just_below_the_limit_is_not_rounded_up_to_it(speed: float, shown: str) -> None:
    rated = rate(candidate("m", 60, speed=speed), WISH)
    assert rated.obstacle is not None
    assert rated.obstacle.startswith(shown)


@pytest.mark.parametrize(
    ("wish", "here", "obstacle"),
    [
        (Wish(), True, "--backend ollama uses it all the same"),
        (Wish(backend="ollama"), True, None),
        (Wish(backend="ollama"), False, "the model is not there yet"),
        (Wish(backend="ollama", model="auto:code"), False, "the model is not there yet"),
        (Wish(backend="ollama", model="qwen3-8b"), False, None),
        (Wish(backend="ollama", model="qwen3-8b", require_gpu=True), False, None),  # the engine will tell
    ],
)
def test_another_machine_is_used_where_it_is_asked_for(wish: Wish, here: bool, obstacle: str | None) -> None:
    away = candidate("m", verdict="unknown", speed=None, backend="ollama", why="nothing is known of it")
    away = replace(
        away,
        fit=replace(away.fit, elsewhere=True),
        availability=Availability(obtainable=True, local=local("m") if here else None),
    )
    found = rate(away, wish).obstacle
    assert found is None if obstacle is None else obstacle in (found or "")
