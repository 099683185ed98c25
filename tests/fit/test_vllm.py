"""vLLM's budget against its own published reports, and what makes it refuse."""

from __future__ import annotations

import pytest
from msgspec import structs

from fit_facts import GIB, QWEN3_8B, build_of, layouts, machine, nvidia
from launchpad.fit.vllm import (
    activation_bytes,
    budget,
    bytes_per_token,
    default_options,
    utilization,
    vllm_fit,
)
from launchpad.wish import Wish

H100 = round(79.18 * GIB)


@pytest.mark.parametrize(
    ("model", "reported"),
    [("gpt-oss-20b", 7.38), ("gpt-oss-120b", 7.38), ("llama-3.1-8b", 4.76)],
)
def test_activation_peaks_that_vllm_reported_on_an_h100(model: str, reported: float) -> None:
    ours = activation_bytes(layouts()[model], default_options(H100)) / GIB
    assert ours == pytest.approx(reported, rel=0.13)


@pytest.mark.parametrize(
    ("model", "weights", "reported"),
    [("gpt-oss-20b", 13.47, 50.28), ("llama-3.1-8b", 14.99, 51.38)],
)
def test_cache_that_vllm_reported_on_an_h100(model: str, weights: float, reported: float) -> None:
    options = structs.replace(default_options(H100), utilization=0.9)
    found = budget(layouts()[model], round(weights * GIB), H100, options)
    assert found.cache / GIB == pytest.approx(reported, abs=0.8)


def test_tokens_are_whole_blocks_and_bytes_per_token_exact() -> None:
    layout, options = layouts()["llama-3.1-8b"], default_options(24 * GIB)
    assert bytes_per_token(layout, options) == 2 * 32 * 8 * 128 * 2
    assert budget(layout, 15 * GIB, 24 * GIB, options).tokens % 16 == 0


def test_kv_heads_are_shared_out_and_a_compressed_row_is_not() -> None:
    two = default_options(24 * GIB, tensor_parallel=2)
    one = default_options(24 * GIB)
    llama, latent = layouts()["llama-3.1-8b"], layouts()["deepseek-v2-lite"]
    assert bytes_per_token(llama, two) * 2 == bytes_per_token(llama, one)
    assert bytes_per_token(latent, two) == bytes_per_token(latent, one)


def test_a_card_of_its_own_gives_its_share_and_a_busy_one_less() -> None:
    assert utilization(nvidia(24), 24 * GIB) == 0.92
    assert utilization(nvidia(24), 12 * GIB) < 0.5


def test_a_model_on_one_card_two_cards_or_none() -> None:
    small = build_of("q", 16 * GIB, "BF16")
    one = vllm_fit(QWEN3_8B, small, machine(64, nvidia(32)), Wish())
    assert (one.verdict, one.backend, one.placement.devices) == ("fits", "vllm", ("nvidia:0",))
    assert one.speed.decode is not None
    assert all(device.spare is not None and device.spare >= 0 for device in one.devices)
    two = vllm_fit(QWEN3_8B, small, machine(64, nvidia(16, 0), nvidia(16, 1, name="RTX 0")), Wish())
    assert (two.verdict, len(two.devices)) == ("fits", 2)
    none = vllm_fit(QWEN3_8B, small, machine(64), Wish())
    assert none.verdict == "no"
    assert none.why is not None
    short = vllm_fit(QWEN3_8B, small, machine(64, nvidia(24)), Wish(context=131072))
    assert short.verdict == "no"
    assert "131072" in (short.why or "")
