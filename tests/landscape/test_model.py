"""Points, leaders, size classes and limits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

import factories
from landscape_facts import GIB, MACHINE, rival, small_landscape
from launchpad.hardware.cluster import clustered
from launchpad.hardware.machine import Accelerator, Machine, Memory
from launchpad.landscape.model import landscape, limits, representative


def test_leaders_are_those_that_nothing_smaller_beats() -> None:
    assert [point.id for point in small_landscape().leaders] == ["tiny", "small", "middle", "big"]


def test_the_score_is_the_quality_and_what_it_comes_from_stays() -> None:
    (point,) = landscape([rival("m", 50, 1, loss=0.1)], MACHINE, purpose="chat", context=1).points
    assert (point.quality, point.measured, point.spread, point.loss) == (43.0, 50, 2.0, 0.1)


def test_order_does_not_matter() -> None:
    rivals = [rival("a", 10, 2), rival("b", 10, 2), rival("c", 30, 1)]
    ways = [landscape(some, MACHINE, purpose="chat", context=1) for some in (rivals, rivals[::-1])]
    assert ways[0] == ways[1]
    assert [point.id for point in ways[0].leaders] == ["c"]


def test_a_class_holds_its_best_first() -> None:
    classes = {one.memory // GIB: one.ids for one in small_landscape().classes}
    assert classes == {2: ("tiny",), 4: ("small", "weak"), 8: ("middle",), 24: ("waste",), 160: ("big",)}


def test_what_runs_on_the_machine_is_said() -> None:
    points = {point.id: point for point in small_landscape().points}
    assert points["middle"].runs is True
    assert points["middle"].speed is not None
    assert (points["big"].runs, points["big"].why_not, points["big"].speed) == (False, "too large", None)


def test_publishers_are_counted_and_dated() -> None:
    (evidence,) = small_landscape().evidence
    assert (evidence.name, evidence.models, evidence.latest) == ("Artificial Analysis", 6, "2026-09-30")


UNIFIED = Accelerator(
    index=0, vendor="apple", name="M4", memory_total=48 * GIB, memory_free=40 * GIB, unified=True
)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (MACHINE, [("GPU memory", 11), ("GPU and main memory", 43)]),
        (replace(MACHINE, accelerators=()), [("main memory", 32)]),
        (replace(MACHINE, accelerators=MACHINE.accelerators * 2), [("all GPUs", 22), ("GPU and main memory", 54)]),
        (replace(MACHINE, accelerators=(UNIFIED,), memory=Memory(available=50 * GIB)), [("GPU memory", 40), ("all memory", 50)]),
        (Machine(name="unknown"), []),
        (clustered("two", [MACHINE, MACHINE]), [("GPUs of one node", 11), ("GPUs of all 2 nodes", 22)]),
    ],
)  # fmt: skip
def test_unified_memory_counts_once(machine: Machine, expected: list[tuple[str, int]]) -> None:
    assert [(one.name, one.memory // GIB) for one in limits(machine)] == expected


def chosen(*builds: tuple[str, int | None, float | None]) -> str | None:
    """The quantization that stands, of (quantization, GiB, score)."""
    found = representative(
        (factories.build("m", name, size and size * GIB), score) for name, size, score in builds
    )
    return found and found[0].quantization


def test_the_smallest_build_that_is_next_to_the_best_stands() -> None:
    assert chosen(("Q8_0", 8, 50.0), ("Q4_K_M", 4, 49.0), ("Q2_K", 2, 30.0), ("ODD", 1, None)) == "Q4_K_M"
    assert chosen(("Q3_K_M", 3, 47.0), ("Q2_K", 2, 40.0)) == "Q3_K_M"
    assert chosen(("ODD", 1, None)) is None


def test_without_sizes_a_lower_score_counts_as_smaller() -> None:
    assert chosen(("Q8_0", None, 50.0), ("Q4_K_M", None, 49.0)) == "Q4_K_M"
    assert chosen(("Q8_0", None, 50.0), ("Q4_K_M", 4, 20.0)) == "Q4_K_M"
