from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.hardware.machine import Accelerator, Cpu, Fact, Memory, ProbeResult, facts_about
from launchpad.hardware.merge import check, merge

GIB = 2**30


def gpu(**more: Any) -> Accelerator:
    return Accelerator(**({"index": 0, "vendor": "nvidia", "name": "Card"} | more))


def test_later_probes_fill_what_earlier_ones_left_unknown():
    first = ProbeResult(cpu=Cpu(model="A"), memory=Memory(total=8 * GIB))
    second = ProbeResult(os="linux", cpu=Cpu(model="B", cores_physical=4), memory=Memory(available=GIB))
    merged = merge([("first", first), ("second", second)])
    assert (merged.os, merged.cpu.model, merged.cpu.cores_physical) == ("linux", "A", 4)
    assert (merged.memory.total, merged.memory.available) == (8 * GIB, GIB)
    evidence = {fact.subject: fact.evidence for fact in merged.facts}
    assert evidence["cpu.model"] == "probe first"
    assert evidence["cpu.cores_physical"] == "probe second"


def test_a_measurement_is_kept_with_its_figure():
    known = ProbeResult(cpu=Cpu(bandwidth=5e10))
    measured = ProbeResult(cpu=Cpu(bandwidth=9e10, bandwidth_measured=True))
    cpu = merge([("known", known), ("measured", measured)]).cpu
    assert (cpu.bandwidth, cpu.bandwidth_measured) == (5e10, False)
    assert merge([("measured", measured)]).cpu.bandwidth_measured


def test_accelerators_are_joined_and_their_facts_move_with_them():
    one = ProbeResult(accelerators=(gpu(),), facts=facts_about("accelerators.0", gpu(), "NVML"))
    amd = gpu(vendor="amd", name="Other")
    two = ProbeResult(accelerators=(amd,), facts=facts_about("accelerators.0", amd, "sysfs"))
    merged = merge([("one", one), ("two", two)])
    assert [card.name for card in merged.accelerators] == ["Card", "Other"]
    evidence = {fact.subject: fact.evidence for fact in merged.facts}
    assert evidence["accelerators.0.name"] == "NVML"
    assert evidence["accelerators.1.name"] == "sysfs"


def test_one_card_seen_by_two_probes_is_one_card():
    first = ProbeResult(accelerators=(gpu(pci="0000:01:00.0"),))
    again = ProbeResult(accelerators=(gpu(index=7, pci="0000:01:00.0", memory_total=8 * GIB),))
    (card,) = merge([("first", first), ("again", again)]).accelerators
    assert (card.index, card.memory_total) == (0, 8 * GIB)


def test_cards_at_different_addresses_are_two_even_with_one_number():
    first = ProbeResult(accelerators=(gpu(pci="0000:01:00.0"),))
    other = ProbeResult(accelerators=(gpu(pci="0000:02:00.0"),))
    assert len(merge([("first", first), ("other", other)]).accelerators) == 2


def test_one_probe_may_report_several_without_an_address():
    result = ProbeResult(accelerators=(gpu(), gpu(name="MIG")))
    assert len(merge([("one", result)]).accelerators) == 2


def test_extra_facts_are_kept():
    fact = Fact(subject="nvidia.hidden", value="1", evidence="CUDA_VISIBLE_DEVICES")
    assert fact in merge([("nvidia", ProbeResult(facts=(fact,)))]).facts


def test_a_fact_about_nothing_is_dropped():
    fact = Fact(subject="cpu.model", value="X", evidence="nowhere")
    assert merge([("liar", ProbeResult(facts=(fact,)))]).facts == ()


ABSURD = [
    (ProbeResult(memory=Memory(total=-1)), "memory.total"),
    (ProbeResult(memory=Memory(total=2**60)), "memory.total"),
    (ProbeResult(memory=Memory(total=GIB, available=2 * GIB)), "memory.available"),
    (ProbeResult(cpu=Cpu(cores_physical=0)), "cpu.cores_physical"),
    (ProbeResult(cpu=Cpu(bandwidth=float("nan"))), "cpu.bandwidth"),
    (ProbeResult(cpu=Cpu(cores_available=float("inf"))), "cpu.cores_available"),
    (ProbeResult(accelerators=(gpu(memory_free=-5),)), "accelerators.0.memory_free"),
    (ProbeResult(accelerators=(gpu(memory_total=GIB, memory_free=2 * GIB),)), "accelerators.0.memory_free"),
    (ProbeResult(accelerators=(gpu(bandwidth=3.0),)), "accelerators.0.bandwidth"),
]


@pytest.mark.parametrize(("result", "subject"), ABSURD)
def test_an_absurd_figure_is_left_out_with_a_warning(result: ProbeResult, subject: str):
    merged = merge([("odd", result)])
    (warning,) = merged.warnings
    assert "odd" in warning
    assert subject in warning
    assert all(fact.subject != subject for fact in merged.facts)


MALFORMED: list[Any] = [
    None,
    5,
    "text",
    ProbeResult(cpu=Cpu(model=5)),  # type: ignore[arg-type]
    ProbeResult(accelerators=("card",)),  # type: ignore[arg-type]
    ProbeResult(accelerators=(gpu(vendor="acme"),)),
    ProbeResult(memory=object()),  # type: ignore[arg-type]
    ProbeResult(memory=Memory(total="8GB")),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("result", MALFORMED)
def test_a_malformed_result_is_one_warning_and_nothing_else(result: Any):
    merged = merge([("bad", result), ("good", ProbeResult(cpu=Cpu(model="A")))])
    (warning,) = merged.warnings
    assert "bad" in warning
    assert merged.cpu.model == "A"
    assert merged.accelerators == ()


def test_names_are_made_printable():
    result = check("odd", ProbeResult(accelerators=(gpu(name="Evil\x1b[31m\ncard"),)))
    assert result.accelerators[0].name == "Evil[31mcard"


FIGURES = st.none() | st.integers() | st.floats()


@given(FIGURES, FIGURES, FIGURES, st.text())
def test_nothing_breaks_the_merge(total: Any, free: Any, bandwidth: Any, name: str):
    card = gpu(name=name, memory_total=total, memory_free=free, bandwidth=bandwidth)
    merged = merge([("any", ProbeResult(accelerators=(card,), memory=Memory(total=total, available=free)))])
    for found in merged.accelerators:
        if found.memory_total is not None and found.memory_free is not None:
            assert 0 <= found.memory_free <= found.memory_total
