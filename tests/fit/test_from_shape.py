"""Layouts from the catalog: as exact as it is, bounded above where it is silent."""

from __future__ import annotations

import pytest
from msgspec import structs

from fit_facts import (
    DEEPSEEK_V3,
    GEMMA_3_27B,
    GIB,
    GPT_OSS_120B,
    GPT_OSS_120B_MXFP4,
    LLAMA_70B,
    LLAMA_70B_Q4,
    QWEN35_9B,
    build_of,
    layouts,
)
from launchpad.catalog.model import Build, Model, Recurrent, SlidingWindow
from launchpad.fit import compute
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.kv import kv_bytes, state_bytes
from launchpad.fit.layout import Layout
from launchpad.fit.result import Settings

SETTINGS = Settings(context=32768)


def layout_of(model: Model, build: Build | None = None) -> Layout:
    layout = layout_from_model(model, build or build_of(model.id, 8 * GIB))
    assert isinstance(layout, Layout)
    return layout


PAIRS = [
    (LLAMA_70B, LLAMA_70B_Q4, "llama-3.3-70b"),
    (GPT_OSS_120B, GPT_OSS_120B_MXFP4, "gpt-oss-120b"),
    (GEMMA_3_27B, build_of("g", 16_546_404_736), "gemma-3-27b"),
    (DEEPSEEK_V3, build_of("d", 404_494_458_880), "deepseek-v3"),
    (QWEN35_9B, build_of("q", 5_622_000_000), "qwen3.5-9b"),
]


@pytest.mark.parametrize(("model", "build", "header"), PAIRS, ids=[pair[2] for pair in PAIRS])
def test_agrees_with_the_header_of_the_same_model(model: Model, build: Build, header: str) -> None:
    ours, real = layout_of(model, build), layouts()[header]
    assert kv_bytes(ours, SETTINGS) == kv_bytes(real, SETTINGS)
    assert ours.weights == pytest.approx(real.weights, rel=0.005)
    assert ours.token_embd == pytest.approx(real.token_embd, rel=0.1)
    assert ours.output_weights == pytest.approx(real.output_weights, rel=0.1)
    assert sum(ours.block_experts) == pytest.approx(sum(real.block_experts), rel=0.05)
    buffers = [compute.on_gpu(compute.graph(one, SETTINGS, 1, converts_cache=True)) for one in (ours, real)]
    assert buffers[0] == pytest.approx(buffers[1], rel=0.1)


def test_layouts_are_computed_once() -> None:
    assert layout_from_model(LLAMA_70B, LLAMA_70B_Q4) is layout_from_model(LLAMA_70B, LLAMA_70B_Q4)


def test_windows_of_unknown_layers_are_counted_in_full() -> None:
    shape = structs.replace(
        GEMMA_3_27B.shape, architecture="unheard-of", window=SlidingWindow(window=1024, local_layer_count=52)
    )
    layout = layout_of(structs.replace(GEMMA_3_27B, shape=shape))
    assert kv_bytes(layout, SETTINGS) > kv_bytes(layout_of(GEMMA_3_27B), SETTINGS)
    assert "upper bound" in layout.notes[0]


def test_a_state_of_unknown_size_is_bounded_above() -> None:
    vague = Recurrent(kind="gated-deltanet", attention_layers=tuple(range(3, 32, 4)))
    shape = structs.replace(QWEN35_9B.shape, recurrent=vague)
    layout = layout_of(structs.replace(QWEN35_9B, shape=shape))
    assert state_bytes(layout, SETTINGS) >= state_bytes(layout_of(QWEN35_9B), SETTINGS)
    assert "upper bound" in layout.notes[0]


def test_nothing_is_invented_for_an_empty_shape() -> None:
    empty = structs.replace(LLAMA_70B, shape=type(LLAMA_70B.shape)())
    assert layout_from_model(empty, LLAMA_70B_Q4) == UnknownFigure("layers")
