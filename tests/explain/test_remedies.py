"""Every remedy was tried with the fit itself, and its saving is exact."""

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
    apple,
    build_of,
    machine,
    nvidia,
)
from launchpad.explain.remedies import goal_of, remedies
from launchpad.fit import fit
from launchpad.wish import Wish

Q8 = build_of("qwen3-8b", 8_700_000_000, "Q8_0")
Q2 = build_of("qwen3-8b", 3_300_000_000, "Q2_K")
CASES = [
    pytest.param(QWEN3_8B, Q8, machine(6), Wish(), [QWEN3_8B_Q4, Q2], id="too large a build"),
    pytest.param(QWEN3_8B, QWEN3_8B_Q4, machine(8), Wish(context=65536), [Q2], id="too long a context"),
    pytest.param(
        QWEN3_8B, QWEN3_8B_Q4, machine(6.2), Wish(context=8192, kv_type="f16"), [], id="fixed cache"
    ),
    pytest.param(LLAMA_70B, LLAMA_70B_Q4, machine(32, nvidia(24)), Wish(), [], id="not enough anywhere"),
    pytest.param(GPT_OSS_120B, GPT_OSS_120B_MXFP4, machine(80, nvidia(24)), Wish(), [], id="experts aside"),
    pytest.param(QWEN3_8B, Q8, machine(20, nvidia(8)), Wish(), [QWEN3_8B_Q4, Q2], id="partly on the card"),
    pytest.param(LLAMA_70B, LLAMA_70B_Q4, machine(30, apple(27)), Wish(), [], id="unified"),
]


@pytest.mark.parametrize(("model", "build", "on", "wish", "others"), CASES)
def test_what_is_said_to_be_enough_is_and_what_is_not_is_not(subject, model, build, on, wish, others) -> None:
    found = remedies(subject(model, build, on, wish, others))
    assert found is not None
    assert found.lacks is not None
    assert found.changes
    for change in found.changes:
        assert change.reaches == (change.fit is not None)
        if change.fit is not None:
            assert change.fit.runs
            assert found.goal == "run" or change.fit.placement.kind == "gpu"
            assert change.lacks == 0
        if change.saves is not None and change.kind in ("context", "kv_type", "build"):
            assert change.saves >= 0
            assert change.reaches or change.saves == found.lacks - change.lacks
    assert found.cheapest == next((change for change in found.changes if change.reaches), None)
    assert all(change.saves > 0 for change in found.already)


def test_nothing_is_missed_where_it_fits(subject) -> None:
    assert remedies(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64))) is None
    assert remedies(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24)))) is None


def test_the_goal_is_to_run_then_to_run_on_the_card(subject) -> None:
    assert goal_of(subject(LLAMA_70B, LLAMA_70B_Q4, machine(16))) == "run"
    assert goal_of(subject(LLAMA_70B, LLAMA_70B_Q4, machine(64, nvidia(24)))) == "gpu"
    unknown = replace(QWEN3_8B, shape=replace(QWEN3_8B.shape, layers=None))
    assert goal_of(subject(unknown, QWEN3_8B_Q4, machine(16))) is None


def test_a_shorter_context_is_the_longest_that_is_enough(subject) -> None:
    on = machine(8)
    change = remedies(subject(QWEN3_8B, QWEN3_8B_Q4, on, Wish(context=65536))).cheapest
    assert change.kind == "context"
    context = change.fit.settings.context
    assert context % 1024 == 0
    assert change.text == f"context {context:,}, not 65,536"
    assert not fit(QWEN3_8B, QWEN3_8B_Q4, on, Wish(context=context + 1024)).runs


def test_the_next_smaller_build_is_the_largest_that_is_enough(subject) -> None:
    change = remedies(subject(QWEN3_8B, Q8, machine(6.5), Wish(), [Q2, QWEN3_8B_Q4])).cheapest
    assert (change.kind, change.text) == ("build", "build Q4_K_M, not Q8_0")
    assert change.saves == pytest.approx(Q8.size - QWEN3_8B_Q4.size, rel=0.02)


def test_a_coarser_cache_is_offered_only_below_what_the_fit_chooses_itself(subject) -> None:
    def caches(wish: Wish) -> list[str]:
        found = remedies(subject(LLAMA_70B, LLAMA_70B_Q4, machine(16), wish))
        return [change.text for change in found.changes if change.kind == "kv_type"]

    assert caches(Wish()) == ["KV cache q4_0, not q8_0"]
    assert caches(Wish(kv_type="f16")) == ["KV cache q8_0, not f16", "KV cache q4_0, not f16"]
    assert caches(Wish(kv_type="q4_0")) == []


def test_no_memory_helps_beyond_the_model_s_own_context(subject) -> None:
    found = remedies(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24)), Wish(context=200_000)))
    assert [change.kind for change in found.changes] == ["context"]
    assert found.cheapest.fit.settings.context == 131072
    assert found.lacks is None


def test_what_a_smaller_build_costs_is_said_and_what_helps_without_it(subject) -> None:
    one = subject(QWEN3_8B, Q8, machine(6.5), Wish(), [QWEN3_8B_Q4])
    found = remedies(replace(one, losses={Q8: 0.001, QWEN3_8B_Q4: 0.014}))
    assert found.cheapest.quality_cost == pytest.approx(0.013)
    assert found.lossless.kind in ("free", "memory")
    unmeasured = remedies(replace(one, losses={Q8: 0.001, QWEN3_8B_Q4: None}))
    assert unmeasured.cheapest.quality_cost is None
