"""The memory sum of many architectures against llama.cpp's own dry runs on files of true shape.

Such files hold a header and sparse zeros; `bench/fit/synthetic.py` writes them. The engine prints MiB with two
decimals (weights: whole MiB).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from launchpad.fit.from_gguf import layout_from_metadata
from launchpad.fit.layout import Layout
from launchpad.fit.memory import Host, memory
from launchpad.fit.result import DeviceMemory, Settings
from launchpad.fit.tensors import WeightSums

MIB = 1 << 20
DATA = Path(__file__).parent / "data"
FACTS: dict[str, Any] = json.loads((DATA / "engine_cases.json").read_text())
CACHES: dict[str, list[Any]] = {
    model["name"]: model["cases"] for model in json.loads((DATA / "cache_cases.json").read_text())["models"]
}
MODELS = {model["name"]: model for model in FACTS["models"]}


def runs(pairs: list[list[Any]]) -> list[Any]:
    return [value for value, number in pairs for _ in range(number)]


def layout_of(model: dict[str, Any]) -> Layout:
    metadata = {
        key[1:] if key.startswith("!") else f"{model['architecture']}.{key}": (
            runs(value["runs"]) if isinstance(value, dict) else value
        )
        for key, value in model["metadata"].items()
    }
    sums = dict(model["sums"])
    sums["blocks"], sums["experts"] = tuple(runs(sums["blocks"])), tuple(runs(sums["experts"]))
    return layout_from_metadata(
        {"general.architecture": model["architecture"], **metadata}, WeightSums(**sums)
    )


def predicted(
    model: dict[str, Any], cases: list[Any] | None = None
) -> Iterator[tuple[DeviceMemory, dict[str, Any]]]:
    """Our sum of each case beside the engine's figures."""
    layout = layout_of(model)
    for values in model["cases"] if cases is None else cases:
        case = dict(zip(FACTS["case"], values, strict=True))
        settings = Settings(
            context=case["context"],
            parallel=case["slots"],
            kv_unified=bool(case["unified"]),
            kv_type_k=case["kv_type"].split("/")[0],
            kv_type_v=case["kv_type"].split("/")[-1],
            ubatch=case["ubatch"],
            flash_attention=bool(case["flash_attention"]),
            mmap=False,
        )
        (device,) = memory(layout, settings, [], Host(free=None, reserve=0, repacks=False))
        yield device, case


@pytest.mark.parametrize("name", MODELS)
def test_weights_cache_and_state_are_exact(name: str) -> None:
    for device, case in predicted(MODELS[name]):
        assert device.term("weights") / MIB == pytest.approx(case["weights_mib"], abs=1.01)
        assert device.term("kv_cache") / MIB == pytest.approx(case["kv_mib"], abs=0.03)
        assert device.term("recurrent_state") / MIB == pytest.approx(case["state_mib"], abs=0.011)


def test_compute_buffers_are_within_one_percent() -> None:
    errors = [
        abs(device.term("compute") / MIB / case["compute_mib"] - 1)
        for model in MODELS.values()
        for device, case in predicted(model)
    ]
    assert len(errors) > 300
    assert mean(errors) <= 0.01


@pytest.mark.parametrize("name", MODELS)
def test_no_architecture_s_compute_buffer_is_far_off(name: str) -> None:
    errors = [
        abs(device.term("compute") / MIB / case["compute_mib"] - 1)
        for device, case in predicted(MODELS[name])
    ]
    assert mean(errors) <= 0.06


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "deepseek32",
            {16384: 486.08, 24576: 502.08, 32768: 630.08, 65536: 710.08, 81920: 742.08, 131072: 966.08},
        ),
        ("glm5", {16384: 332.08, 24576: 388.08, 49152: 436.08, 57344: 500.08, 131072: 788.08}),
    ],
)
def test_the_scores_of_sparse_attention_lie_where_there_is_room(name: str, told: dict[int, float]) -> None:
    """MiB that the engine reserves, at contexts on both sides of where the scores find room between other tensors."""
    cases = [[context, 1, 1, 1, 512, "f16", 0, 0, 0, compute] for context, compute in told.items()]
    for device, case in predicted(MODELS[name], cases):
        assert device.term("compute") / MIB == pytest.approx(case["compute_mib"], rel=0.026)


@pytest.mark.parametrize("name", CACHES)
def test_caches_of_any_pair_of_types_are_exact(name: str) -> None:
    """4 to 16 bits, K and V alike or not, one slot and four: windows, latent and recurrent caches among them."""
    for device, case in predicted(MODELS[name], CACHES[name]):
        assert device.term("kv_cache") / MIB == pytest.approx(case["kv_mib"], abs=0.03), case
        assert device.term("compute") / MIB == pytest.approx(case["compute_mib"], rel=0.006), case


def test_caches_were_asked_for_in_many_types() -> None:
    types = {case[5] for cases in CACHES.values() for case in cases}
    assert types == {"q4_0", "q8_0/q4_0", "f16/q8_0", "q5_1/q5_0", "q4_1/iq4_nl", "bf16"}
    assert sum(map(len, CACHES.values())) == 76
