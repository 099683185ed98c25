"""Ollama's own context, slots, cache type and micro-batch."""

from __future__ import annotations

import pytest
from msgspec import structs

from fit_facts import QWEN3_8B, QWEN3_8B_Q4, machine, nvidia
from launchpad.fit.ollama import default_context, ollama_fit, slots
from launchpad.wish import Wish


@pytest.mark.parametrize(("memory", "context"), [(8, 4096), (24, 32768), (48, 262144)])
def test_context_by_the_memory_of_all_gpus(memory: int, context: int) -> None:
    assert default_context(machine(64, nvidia(memory)), {}) == context


def test_the_server_s_environment_wins() -> None:
    assert default_context(machine(64), {"OLLAMA_CONTEXT_LENGTH": "8192"}) == 8192
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


def test_a_context_that_nobody_asked_for_steps_down() -> None:
    large = structs.replace(QWEN3_8B, context=262144)
    found = ollama_fit(large, QWEN3_8B_Q4, machine(64, nvidia(24, 0), nvidia(24, 1)), Wish())
    assert found.runs
    assert found.settings.context in (262144, 32768, 4096)
