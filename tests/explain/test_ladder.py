"""Every rung of the ladder is what the fit says for that context and cache."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fit_facts import GEMMA_3_27B, QWEN3_8B, QWEN3_8B_Q4, build_of, machine, nvidia
from launchpad.explain.ladder import KV_TYPES, contexts, ladder
from launchpad.fit import fit
from launchpad.wish import Wish


@pytest.mark.parametrize(
    ("most", "used", "expected"),
    [
        (40960, None, (4096, 8192, 16384, 32768, 40960)),
        (8192, None, (4096, 8192)),
        (2048, None, (2048,)),
        (16384, 6000, (4096, 6000, 8192, 16384)),
        (16384, 20000, (4096, 8192, 16384)),
        (None, None, (4096, 8192, 16384, 32768)),
    ],
)
def test_contexts_double_up_to_the_model_s_own(most, used, expected) -> None:
    assert contexts(most, used) == expected


def test_every_rung_is_the_fit_with_that_wish(subject) -> None:
    on = machine(12, nvidia(12))
    rungs = ladder(subject(QWEN3_8B, QWEN3_8B_Q4, on))
    assert [rung.kv_type for rung in rungs[:3]] == list(KV_TYPES)
    for rung in rungs:
        found = fit(QWEN3_8B, QWEN3_8B_Q4, on, Wish(context=rung.context, kv_type=rung.kv_type))
        assert (rung.verdict, rung.needs, rung.placement) == (found.verdict, found.total, found.placement)
        assert found.settings.context == rung.context
        assert found.settings.kv_type_k == rung.kv_type
        assert (rung.decode is not None) == found.runs
        assert (rung.lacks > 0) == (not found.runs)


def test_a_coarser_cache_needs_less_and_a_longer_one_more(subject) -> None:
    rungs = ladder(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(48))))
    for kv_type in KV_TYPES:
        column = [rung for rung in rungs if rung.kv_type == kv_type]
        assert all(a.needs < b.needs and a.decode.value > b.decode.value for a, b in pairwise(column))
    f16, q8, q4 = rungs[-3:]
    assert f16.needs > q8.needs > q4.needs


def test_the_largest_context_that_runs_is_marked_for_each_cache(subject) -> None:
    rungs = ladder(subject(QWEN3_8B, QWEN3_8B_Q4, machine(9)))
    for kv_type in KV_TYPES:
        column = [rung for rung in rungs if rung.kv_type == kv_type]
        running = [rung.context for rung in column if rung.verdict != "no"]
        assert [rung.context for rung in column if rung.largest] == [max(running)]


def test_a_cache_that_cannot_be_quantized_has_one_column(subject) -> None:
    odd = replace(GEMMA_3_27B, shape=replace(GEMMA_3_27B.shape, head_dim_k=72, head_dim_v=72, kv_heads=1))
    rungs = ladder(subject(odd, build_of("g", 16 << 30), machine(64)))
    assert {rung.kv_type for rung in rungs} == {"f16"}


def test_an_unknown_shape_has_no_ladder(subject) -> None:
    unknown = replace(QWEN3_8B, shape=replace(QWEN3_8B.shape, layers=None))
    assert ladder(subject(unknown, QWEN3_8B_Q4, machine(64))) == ()


def test_slots_share_the_context(subject) -> None:
    on = machine(64, nvidia(24))
    alone = ladder(subject(QWEN3_8B, QWEN3_8B_Q4, on, Wish(context=16384)))
    shared = ladder(subject(QWEN3_8B, QWEN3_8B_Q4, on, Wish(context=16384, parallel=4)))
    assert shared[-1].context == 4 * alone[-1].context
    one, four = (next(x for x in rungs if x.context == 16384) for rungs in (alone, shared))
    assert four.decode.value > one.decode.value
