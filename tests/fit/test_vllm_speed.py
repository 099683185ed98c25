"""vLLM's decode speed beside what others measured on two and four RTX 3090."""

from __future__ import annotations

import pytest

from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import Build
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.result import Settings
from launchpad.fit.vllm import sized
from launchpad.fit.vllm_groups import groups
from launchpad.fit.vllm_speed import vllm_speed
from launchpad.hardware.simulate import simulate

MODELS = {model.id: model for model in load_packaged()[1]}


def predicted(model: str, quantization: str, on: str) -> float:
    build = Build(ref="hf://a/b", format="safetensors", quantization=quantization)
    layout = layout_from_model(MODELS[model], sized(build, MODELS[model]))
    assert not isinstance(layout, UnknownFigure)
    group = groups(simulate(on), layout, ("cuda",))[-1]
    band = vllm_speed(layout, Settings(context=4096), group).decode
    assert band is not None
    return band.value


@pytest.mark.parametrize(
    ("model", "quantization", "cards", "measured"),
    [
        ("qwen3.6-27b", "BF16", 4, 38.65),
        ("qwen3.6-27b", "FP8", 2, 37.68),
        ("qwen3.6-27b", "FP8", 4, 62.03),
        ("qwen3.6-27b", "INT8", 2, 36.32),
        ("qwen3.6-27b", "INT8", 4, 49.38),
        ("qwen3.6-27b", "INT4", 2, 56.66),
        ("qwen3.6-27b", "INT4", 4, 80.0),
        ("qwen3.5-35b-a3b", "INT4", 2, 167.75),
        ("qwen3.5-35b-a3b", "AWQ", 4, 162.34),
        ("qwen3.5-35b-a3b", "FP8", 2, 140.01),
    ],
)
def test_published_speeds(model: str, quantization: str, cards: int, measured: float) -> None:
    assert predicted(model, quantization, f"{cards}x RTX 3090") == pytest.approx(measured, rel=0.2)


def test_a_second_node_holds_more_and_is_no_faster() -> None:
    one = predicted("qwen3.6-27b", "FP8", "2x RTX 3090")
    two = predicted("qwen3.6-27b", "FP8", "2 nodes of 2x RTX 3090")
    slow = predicted("qwen3.6-27b", "FP8", "2 nodes of 2x RTX 3090 over 1MB/s")
    assert slow < two < one
    assert two > 0.95 * one
