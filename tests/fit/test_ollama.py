"""Ollama's own context, slots, cache type and micro-batch."""

from __future__ import annotations

import pytest
from msgspec import structs

from fit_facts import QWEN3_8B, QWEN3_8B_Q4, machine, nvidia
from launchpad.fit import fit
from launchpad.fit.ollama import ollama_fit, slots
from launchpad.wish import Wish


@pytest.mark.parametrize("memory", [8, 12, 24, 48])
def test_the_context_is_the_one_that_the_same_model_gets_from_llama_cpp(memory: int) -> None:
    """Ollama's own would be 4096 tokens below 23 GiB of GPU memory and 262144 from 47 on, whatever the model needs."""
    on = machine(64, nvidia(memory))
    here = ollama_fit(QWEN3_8B, QWEN3_8B_Q4, on, Wish())
    there = fit(QWEN3_8B, QWEN3_8B_Q4, on, Wish(kv_type="f16"))
    assert here.settings.context == there.settings.context
    assert here.placement.kind == there.placement.kind


@pytest.mark.parametrize("context", [1024, 16384])
def test_a_context_that_the_server_s_environment_names_is_kept(context: int) -> None:
    told = {"OLLAMA_CONTEXT_LENGTH": str(context)}
    found = ollama_fit(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24)), Wish(), environment=told)
    assert found.settings.context == context
    wished = ollama_fit(QWEN3_8B, QWEN3_8B_Q4, machine(64), Wish(context=2048), environment=told)
    assert wished.settings.context == 2048


def test_the_server_s_slots() -> None:
    assert slots("llama", {"OLLAMA_NUM_PARALLEL": "4"}) == 4
    assert slots("qwen35", {"OLLAMA_NUM_PARALLEL": "4"}) == 1


def test_each_slot_gets_the_whole_context_and_the_cache_keeps_its_type() -> None:
    told = {"OLLAMA_NUM_PARALLEL": "2", "OLLAMA_KV_CACHE_TYPE": "q8_0", "OLLAMA_CONTEXT_LENGTH": "8192"}
    found = ollama_fit(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24)), Wish(), environment=told)
    assert (found.backend, found.verdict) == ("ollama", "fits")
    assert (found.settings.context, found.settings.parallel) == (16384, 2)
    assert found.settings.kv_type_k == found.settings.kv_type_v == "q8_0"


def test_the_micro_batch_follows_the_context() -> None:
    on = machine(64, nvidia(80))
    batches = [
        ollama_fit(QWEN3_8B, QWEN3_8B_Q4, on, Wish(context=context)).settings.ubatch
        for context in (4096, 8192, 65536)
    ]
    assert batches == [512, 1024, 2048]


def test_a_context_that_the_environment_names_and_nothing_has_room_for_gives_way() -> None:
    large = structs.replace(QWEN3_8B, context=1 << 20)
    told = {"OLLAMA_CONTEXT_LENGTH": str(1 << 20)}
    found = ollama_fit(large, QWEN3_8B_Q4, machine(32), Wish(), environment=told)
    assert found.runs
    assert found.settings.context == ollama_fit(large, QWEN3_8B_Q4, machine(32), Wish()).settings.context
    assert ollama_fit(large, QWEN3_8B_Q4, machine(32), Wish(context=1 << 20)).verdict == "no"


def test_slots_share_a_context_that_nobody_named() -> None:
    found = ollama_fit(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24)), Wish(parallel=3))
    assert found.settings.context % 3 == 0
