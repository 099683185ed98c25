"""KV cache and recurrent state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fit_facts import (
    DEEPSEEK_V3,
    GEMMA_3_27B,
    GIB,
    GPT_OSS_120B,
    GPT_OSS_120B_MXFP4,
    QWEN3_8B,
    QWEN3_8B_Q4,
    QWEN35_9B,
    build_of,
    layouts,
)
from launchpad.catalog.model import Build, Model
from launchpad.fit.from_shape import layout_from_model
from launchpad.fit.kv import KV_BLOCKS, kv_bytes, row_bytes, state_bytes
from launchpad.fit.layout import Layout
from launchpad.fit.result import Settings

LONG = Settings(context=131072)


def layout_of(model: Model, build: Build | None = None) -> Layout:
    layout = layout_from_model(model, build or build_of(model.id, 8 * GIB))
    assert isinstance(layout, Layout)
    return layout


@pytest.mark.parametrize(
    ("model", "gib"),
    [(GEMMA_3_27B, 10.6), (DEEPSEEK_V3, 8.6), (QWEN3_8B, 18.0), (GPT_OSS_120B, 4.5)],
    ids=lambda value: value.id if isinstance(value, Model) else "",
)
def test_known_caches_at_131072_tokens_from_the_catalog(model: Model, gib: float) -> None:
    assert kv_bytes(layout_of(model), LONG) / GIB == pytest.approx(gib, abs=0.06)


@pytest.mark.parametrize(
    ("model", "gib"),
    [("gemma-3-27b", 10.6), ("deepseek-v3", 8.6), ("gpt-oss-20b", 3.0), ("llama-3.1-8b", 16.0)],
)
def test_known_caches_at_131072_tokens_from_a_header(model: str, gib: float) -> None:
    assert kv_bytes(layouts()[model], LONG) / GIB == pytest.approx(gib, abs=0.06)


def test_catalog_and_header_agree_on_a_hybrid() -> None:
    shape, header = layout_of(QWEN35_9B), layouts()["qwen3.5-9b"]
    assert kv_bytes(shape, LONG) == kv_bytes(header, LONG)
    assert state_bytes(shape, LONG) == state_bytes(header, LONG)


def test_catalog_and_header_agree_on_windows() -> None:
    shape, header = layout_of(GPT_OSS_120B, GPT_OSS_120B_MXFP4), layouts()["gpt-oss-120b"]
    for settings in (
        LONG,
        structs.replace(LONG, parallel=4),
        structs.replace(LONG, parallel=4, kv_unified=True),
    ):
        assert kv_bytes(shape, settings) == kv_bytes(header, settings)


def test_the_state_does_not_grow_with_the_context_but_with_the_slots() -> None:
    layout = layouts()["granite-4.0-h-micro"]
    short = Settings(context=512)
    assert state_bytes(layout, short) == state_bytes(layout, LONG) > 0
    assert state_bytes(layout, structs.replace(LONG, parallel=4)) == 4 * state_bytes(layout, LONG)


def test_a_window_holds_one_micro_batch_more() -> None:
    """The network needs 10.4 GiB for its windows of 1024 tokens; the engine adds room for 512 new ones."""
    layout = layouts()["gemma-3-27b"]
    windows = 52 * 2 * 2048 * 2
    assert kv_bytes(layout, LONG) - windows * 512 == pytest.approx(10.4 * GIB, rel=0.002)


def test_swa_full_gives_windowed_layers_the_whole_context() -> None:
    layout = layouts()["gemma-3-4b"]
    assert kv_bytes(layout, structs.replace(LONG, swa_full=True)) > 3 * kv_bytes(layout, LONG)


@pytest.mark.parametrize("kv_type", KV_BLOCKS)
def test_a_row_is_whole_blocks(kv_type: str) -> None:
    per_block, size = KV_BLOCKS[kv_type]  # type: ignore[index]
    assert row_bytes(per_block, kv_type) == size  # type: ignore[arg-type]
    assert row_bytes(per_block + 1, kv_type) >= size  # type: ignore[arg-type]


@given(st.integers(0, 36), st.integers(0, 36))
def test_caches_of_parts_add_up(first: int, second: int) -> None:
    layout = layout_of(QWEN3_8B, QWEN3_8B_Q4)
    low, high = sorted((first, second))
    parts = (kv_bytes(layout, LONG, start, stop) for start, stop in ((0, low), (low, high), (high, 36)))
    assert sum(parts) == kv_bytes(layout, LONG)
