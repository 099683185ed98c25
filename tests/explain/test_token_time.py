"""The parts of a token's time are those of the fit's own speed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fit_facts import (
    GPT_OSS_120B,
    GPT_OSS_120B_MXFP4,
    LLAMA_70B,
    LLAMA_70B_Q4,
    QWEN3_8B,
    QWEN3_8B_Q4,
    QWEN35_9B,
    apple,
    build_of,
    machine,
    nvidia,
)
from launchpad.explain.token_time import token_costs
from launchpad.fit.result import Band, Learned, Speed

CASES = [
    pytest.param(QWEN3_8B, QWEN3_8B_Q4, machine(24), ["cpu"], id="processor"),
    pytest.param(QWEN3_8B, QWEN3_8B_Q4, machine(32, nvidia(24)), ["nvidia:0"], id="card"),
    pytest.param(QWEN3_8B, QWEN3_8B_Q4, machine(20, apple(18)), ["apple:0"], id="unified"),
    pytest.param(
        LLAMA_70B,
        LLAMA_70B_Q4,
        machine(64, nvidia(32), nvidia(24, 1)),
        ["nvidia:0", "nvidia:1"],
        id="two cards",
    ),
    pytest.param(LLAMA_70B, LLAMA_70B_Q4, machine(48, nvidia(24)), ["nvidia:0", "cpu"], id="layers aside"),
    pytest.param(
        GPT_OSS_120B, GPT_OSS_120B_MXFP4, machine(80, nvidia(24)), ["nvidia:0", "cpu"], id="experts aside"
    ),
    pytest.param(QWEN35_9B, build_of("q", 6 << 30), machine(32, nvidia(24)), ["nvidia:0"], id="recurrent"),
]


@pytest.mark.parametrize(("model", "build", "on", "devices"), CASES)
def test_the_parts_add_up_to_the_stated_speed(subject, model, build, on, devices) -> None:
    one = subject(model, build, on)
    early, full = token_costs(one)
    assert [time.device for time in early.times] == devices
    assert early.seconds == pytest.approx(1 / one.fit.speed.decode.value)
    assert full.depth == one.fit.settings.context > early.depth
    assert full.seconds == pytest.approx(1 / full.speed.value)
    assert full.seconds > early.seconds
    assert full.kv_read > early.kv_read
    assert full.weights_read == early.weights_read


def test_only_the_cache_grows_with_the_depth(subject) -> None:
    early, full = token_costs(subject(QWEN3_8B, QWEN3_8B_Q4, machine(32, nvidia(24))))
    assert early.times[0].weights == full.times[0].weights
    assert early.times[0].kernels == full.times[0].kernels
    assert full.times[0].kv_cache == pytest.approx(early.times[0].kv_cache * full.depth / early.depth)


def test_nothing_is_said_where_a_figure_is_missing(subject) -> None:
    assert token_costs(subject(QWEN3_8B, QWEN3_8B_Q4, machine(24, bandwidth=None))) == ()
    assert token_costs(subject(LLAMA_70B, LLAMA_70B_Q4, machine(8))) == ()


def test_an_engine_with_laws_of_its_own_is_not_explained_by_ours(subject) -> None:
    one = subject(QWEN3_8B, QWEN3_8B_Q4, machine(24))
    decode = one.fit.speed.decode
    other = Band(low=decode.low, value=decode.value * 1.5, high=decode.high * 2)
    assert token_costs(replace(one, fit=replace(one.fit, speed=Speed(decode=other)))) == ()


def test_what_was_learned_changes_all_parts_alike(subject) -> None:
    one = subject(QWEN3_8B, QWEN3_8B_Q4, machine(24))
    law = token_costs(one)[0]
    seen = replace(one.fit.speed.decode, value=law.speed.value * 0.8, basis="measured")
    speed = replace(one.fit.speed, decode=seen, learned=Learned(decode=0.8))
    early, full = token_costs(replace(one, fit=replace(one.fit, speed=speed)))
    assert early.seconds == pytest.approx(law.seconds / 0.8) == pytest.approx(1 / seen.value)
    assert (early.speed.basis, full.speed.basis) == ("measured", "calibrated")


def test_a_short_context_has_no_second_column(subject) -> None:
    one = subject(replace(QWEN3_8B, context=512), QWEN3_8B_Q4, machine(24))
    assert [cost.depth for cost in token_costs(one)] == [512]
