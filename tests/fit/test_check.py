"""The comparison of a fit with the engine's own sums."""

from __future__ import annotations

from launchpad.engines.server import EngineBuffers, EngineReport
from launchpad.fit.check import check_memory, disagreements
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Term

MIB = 1 << 20


def device(name: str, **parts: int) -> DeviceMemory:
    terms = tuple(Term(name=part, bytes=size * MIB, basis="formula") for part, size in parts.items())
    return DeviceMemory(device=name, terms=terms, free=None)


def fit_on(*devices: DeviceMemory) -> Fit:
    return Fit(
        model_id="m",
        build="b",
        backend="llamacpp",
        settings=Settings(context=4096),
        placement=Placement(kind="cpu"),
        devices=devices,
        verdict="fits",
    )


def report_of(*buffers: EngineBuffers) -> EngineReport:
    return EngineReport(engine="llama.cpp b1", buffers=buffers)


def buffers(name: str, model: int, context: int, compute: int) -> EngineBuffers:
    return EngineBuffers(device=name, model=model * MIB, context=context * MIB, compute=compute * MIB)


HOST = device("cpu", weights=1000, kv_cache=90, compute=18, output=1, repack=400, overhead=30)


def test_equal_sums_agree_whatever_the_overhead() -> None:
    found = check_memory(fit_on(HOST), report_of(buffers("cpu", 1000, 90, 19)), loaded=False)
    assert found is not None
    assert found.agrees
    assert found.devices[0].difference == 0
    assert disagreements(found) == ()


def test_repacked_copies_count_once_the_weights_are_loaded() -> None:
    told = report_of(buffers("cpu", 1400, 90, 19))
    loaded, before = (check_memory(fit_on(HOST), told, loaded=loaded) for loaded in (True, False))
    assert loaded is not None
    assert before is not None
    assert (loaded.agrees, before.agrees) == (True, False)


def test_a_difference_is_told_in_one_line_per_device() -> None:
    found = check_memory(fit_on(HOST), report_of(buffers("cpu", 1000, 190, 19)), loaded=False)
    assert found is not None
    (line,) = disagreements(found)
    assert "1,209 MiB" in line
    assert "1,109 MiB" in line
    assert "+9.0%" in line


def test_accelerators_are_matched_in_order_and_main_memory_is_last() -> None:
    fit = fit_on(device("nvidia:0", weights=500), device("nvidia:1", weights=300), HOST)
    told = report_of(buffers("cpu", 1000, 90, 19), buffers("CUDA1", 300, 0, 0), buffers("CUDA0", 500, 0, 0))
    found = check_memory(fit, told, loaded=False)
    assert found is not None
    assert found.agrees
    assert [check.device for check in found.devices] == ["nvidia:0", "nvidia:1", "cpu"]


def test_unified_memory_is_one_device() -> None:
    fit = fit_on(device("apple:0", weights=500, kv_cache=50, compute=20))
    told = report_of(buffers("MTL0", 480, 50, 15), buffers("cpu", 20, 0, 5))
    found = check_memory(fit, told, loaded=True)
    assert found is not None
    assert found.agrees


def test_other_devices_than_planned_cannot_be_compared() -> None:
    fit = fit_on(device("nvidia:0", weights=500), HOST)
    assert check_memory(fit, report_of(buffers("cpu", 1, 1, 1)), loaded=True) is None
    assert check_memory(fit, report_of(), loaded=True) is None
