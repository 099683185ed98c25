"""The cost of quantization: monotone where it must be, and true to the measurements it rests on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import Build, Model, Quality, Shape
from launchpad.catalog.quality import doubt_of, loss_of, quantization_penalty


@pytest.mark.parametrize("name", ["BF16", "F16", "fp16", "original", "FP8"])
def test_full_precision_costs_nothing(name: str) -> None:
    assert quantization_penalty(name, 1e9) == 0


def test_fewer_bits_cost_more() -> None:
    ladder = [
        "BF16",
        "Q8_0",
        "Q6_K",
        "Q5_K_M",
        "Q4_K_M",
        "IQ4_XS",
        "Q3_K_M",
        "IQ3_XXS",
        "Q2_K",
        "IQ2_XXS",
        "IQ1_S",
    ]
    costs = [quantization_penalty(name, 8.03e9) for name in ladder]
    assert costs == sorted(costs, key=float)  # type: ignore[arg-type]  # none is None
    assert costs[4] == pytest.approx(0.014)


@pytest.mark.parametrize(
    ("name", "mmlu"),
    [("IQ3_M", 80.06), ("IQ3_XXS", 79.09), ("IQ2_M", 77.01), ("IQ2_XS", 74.94), ("IQ2_XXS", 72.31)],
)
def test_the_law_of_size_reproduces_the_70b_measurements(name: str, mmlu: float) -> None:
    measured = 1 - (mmlu - 25) / (80.94 - 25)
    assert quantization_penalty(name, 70.6e9) == pytest.approx(measured, abs=0.02)


@given(st.sampled_from(["Q8_0", "Q4_K_M", "UD-Q2_K_XL", "IQ1_S"]), st.floats(1e8, 2e12), st.floats(1.01, 100))
def test_larger_models_lose_less(name: str, size: float, factor: float) -> None:
    small, large = quantization_penalty(name, size), quantization_penalty(name, size * factor)
    assert small is not None
    assert large is not None
    assert 0 <= large <= small <= 0.97


def test_labels_of_requantizers_are_understood() -> None:
    assert quantization_penalty("UD-Q4_K_XL", 8e9) == quantization_penalty("Q4_K_M", 8e9)
    assert quantization_penalty("INT4 (W4A16)", 8e9) == quantization_penalty("awq", 8e9)
    assert quantization_penalty("Q4_K_M", None) == quantization_penalty("Q4_K_M", 8.03e9)


def test_what_nobody_measured_is_none() -> None:
    assert quantization_penalty("unknown", 8e9) is None
    assert quantization_penalty("", 8e9) is None


def test_four_bits_cost_nothing_only_where_the_weights_were_made_in_them() -> None:
    build = Build(ref="hf://a/b", format="safetensors", quantization="MXFP4")
    made = Model(id="a", name="A", lab="A", lab_id="a", parameters=20e9, shape=Shape(architecture="gpt-oss"))
    converted = Model(id="b", name="B", lab="B", lab_id="b", parameters=20e9, shape=Shape(architecture="glm"))
    assert (loss_of(build, made), doubt_of(build, made)) == (0.0, 0.0)
    assert (loss_of(build, converted), doubt_of(build, converted)) == (None, 0.0)


def test_almost_every_build_of_the_catalog_has_a_figure() -> None:
    names = [build.quantization for model in load_packaged()[1] for build in model.builds]
    unknown = [name for name in names if quantization_penalty(name, 8e9) is None]
    assert len(unknown) < 0.05 * len(names)


def test_a_purpose_without_its_own_figure_uses_the_general_one() -> None:
    quality = Quality(value=50.0, spread=3.0, tools=55.0)
    assert (quality.of("tools"), quality.of("chat"), quality.of("code")) == (55.0, 50.0, 50.0)


def test_purposes_without_benchmarks_of_their_own_fall_back_to_the_general_figure() -> None:
    quality = Quality(value=50.0, spread=2.0, code=40.0, measurements=9)
    assert [quality.of(purpose) for purpose in ("code", "chat", "vision", "multilingual")] == [40, 50, 50, 50]
    assert [quality.own(purpose) for purpose in ("code", "vision")] == [40, None]
    assert not quality.thin
    assert Quality(value=50.0, spread=5.0, measurements=3).thin
