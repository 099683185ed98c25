"""The memory sum against buffers that the engine itself computed, and the rules that every sum obeys."""

from __future__ import annotations

from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fit_facts import GIB, cases, facts, layouts, settings_of
from launchpad.fit.kv import micro_batch
from launchpad.fit.memory import MIB, Gpu, Host, memory, split_blocks
from launchpad.fit.result import DeviceMemory, Settings

HOST = Host(free=None, reserve=0)


def gpus(case: dict[str, Any]) -> list[Gpu]:
    free = {"cpu": (), "gpu2": (80, 80), "gpu2-24-12": (24, 12)}.get(case["placement"], (80,))
    return [
        Gpu(device=f"GPU{index}", api="cuda", free=size * GIB, reserve=0, share=float(size))
        for index, size in enumerate(free)
    ]


def predicted(case: dict[str, Any]) -> tuple[DeviceMemory, ...]:
    settings = settings_of(case)
    outputs = case["n_outputs_max"] or micro_batch(settings)
    return memory(layouts()[case["model"]], settings, gpus(case), HOST, outputs=outputs)


def truth(case: dict[str, Any], device: DeviceMemory) -> list[int]:
    """Bytes of weights, caches and compute buffers of one device."""
    names = ("CPU", "GPU_Host") if device.device == "cpu" else (device.device,)
    found = [case["buffers"][name] for name in names if name in case["buffers"]]
    return [sum(column) for column in zip(*found, strict=True)]


def name(case: dict[str, Any]) -> str:
    return f"{case['id']}-{case['model']}-{case['placement']}-{case['n_ctx']}"


ALL = cases("cpu", "gpu", "gpu2", "gpu-ngl", "gpu-ncmoe")


def test_the_excerpt_covers_every_class_of_architecture() -> None:
    families = {model["model"]: model["family"] for model in facts()["models"]}
    assert {families[case["model"]] for case in ALL} == {"dense", "moe", "swa", "mla", "hybrid"}
    assert len(ALL) >= 60


@pytest.mark.parametrize("case", ALL, ids=name)
def test_caches_are_exact_to_the_byte(case: dict[str, Any]) -> None:
    for device in predicted(case):
        assert device.term("kv_cache") + device.term("recurrent_state") == truth(case, device)[1]


@pytest.mark.parametrize("case", ALL, ids=name)
def test_weights_are_where_the_engine_puts_them(case: dict[str, Any]) -> None:
    for device in predicted(case):
        assert device.term("weights") == pytest.approx(truth(case, device)[0], rel=1e-3)


@pytest.mark.parametrize(
    ("kinds", "bar"),
    [(("cpu",), 0.02), (("gpu",), 0.02), (("gpu2",), 0.05), (("gpu-ngl", "gpu-ncmoe"), 0.10)],
    ids=["cpu", "one GPU", "two GPUs", "partial"],
)
def test_compute_buffers_are_close(kinds: tuple[str, ...], bar: float) -> None:
    errors = []
    for case in cases(*kinds):
        devices = predicted(case)
        for device in devices if kinds == ("cpu",) else devices[:-1]:
            buffer = truth(case, device)[2]
            errors.append(abs(device.term("compute") - buffer) / buffer)
    assert mean(errors) <= bar


def test_the_total_of_one_gpu_is_within_half_a_percent() -> None:
    errors = []
    for case in cases("gpu"):
        device = predicted(case)[0]
        real = sum(truth(case, device)) + 450 * MIB
        errors.append(abs(device.total - real) / real)
    assert mean(errors) <= 0.005
    assert max(errors) <= 0.03


@pytest.mark.parametrize(
    ("layers", "gpu_layers", "shares", "bounds", "output"),
    [
        (32, 0, [1.0], (32,), None),
        (32, 33, [1.0], (0, 32), 0),
        (32, 1, [1.0], (32, 32), 0),
        (32, 16, [1.0], (17, 32), 0),
        (32, 99, [1.0], (0, 32), 0),
        (32, 33, [1.0, 1.0], (0, 17, 32), 1),
        (32, 33, [24.0, 12.0], (0, 22, 32), 1),
        (32, 33, [1.0, 0.0], (0, 32, 32), 0),
        (4, 5, [1.0, 1.0, 1.0], (0, 2, 4, 4), 2),
    ],
)
def test_blocks_go_to_devices_by_cumulative_share(
    layers: int, gpu_layers: int, shares: list[float], bounds: tuple[int, ...], output: int | None
) -> None:
    split = split_blocks(layers, gpu_layers, shares)
    assert (split.bounds, split.output_gpu) == (bounds, output)


def test_unified_memory_is_one_device_and_maps_weights_once() -> None:
    layout = layouts()["gemma-3-12b"]
    settings = Settings(context=8192, gpu_layers=layout.layers + 1)
    gpu = Gpu(device="apple:0", api="metal", free=20 * GIB, reserve=0, unified=True)
    (device,) = memory(layout, settings, [gpu], HOST)
    assert device.device == "apple:0"
    assert device.term("weights") == layout.weights


def test_repacking_is_counted_only_where_it_happens() -> None:
    layout = structs.replace(layouts()["llama-3.2-3b"], repack=123)
    with_copy = Settings(context=4096)
    (device,) = memory(layout, with_copy, [], HOST)
    (without,) = memory(layout, structs.replace(with_copy, repack=False), [], HOST)
    (unable,) = memory(layout, with_copy, [], structs.replace(HOST, repacks=False))
    assert device.term("repack") == 123
    assert without.term("repack") == unable.term("repack") == 0


names = st.sampled_from(sorted(layouts()))
contexts = st.integers(256, 131072)
some_settings = st.builds(
    Settings,
    context=contexts,
    parallel=st.sampled_from([1, 2, 4]),
    kv_unified=st.booleans(),
    kv_type_k=st.sampled_from(["f16", "q8_0", "q4_0"]),
    ubatch=st.sampled_from([128, 256, 512, 2048]),
    gpu_layers=st.integers(0, 100),
    cpu_moe_layers=st.integers(0, 60),
)
GPUS = [Gpu(device=f"nvidia:{index}", api="cuda", free=24 * GIB, reserve=0, share=1.0) for index in range(2)]


@given(names, some_settings, st.integers(0, 2))
def test_a_total_is_the_sum_of_its_terms(model: str, settings: Settings, number: int) -> None:
    for device in memory(layouts()[model], settings, GPUS[:number], HOST):
        assert device.total == sum(term.bytes for term in device.terms)
        assert all(term.bytes >= 0 for term in device.terms)
        assert len({term.name for term in device.terms}) == len(device.terms)


@given(names, some_settings, contexts, st.integers(0, 2))
def test_more_context_never_needs_less(model: str, settings: Settings, other: int, number: int) -> None:
    small, large = sorted((settings.context, other))
    sums = [
        sum(
            device.total
            for device in memory(layouts()[model], structs.replace(settings, context=c), GPUS[:number], HOST)
        )
        for c in (small, large)
    ]
    assert sums[0] <= sums[1]


@given(names, some_settings, st.integers(0, 2))
def test_every_weight_is_somewhere(model: str, settings: Settings, number: int) -> None:
    layout = layouts()[model]
    devices = memory(layout, settings, GPUS[:number], HOST)
    copied = layout.token_embd if layout.tied and number and settings.gpu_layers else 0
    assert sum(device.term("weights") for device in devices) == layout.weights + copied
