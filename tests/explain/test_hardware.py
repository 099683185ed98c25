"""Memory to free or to buy: the least of what is enough."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fit_facts import GIB, LLAMA_70B, LLAMA_70B_Q4, QWEN3_8B, QWEN3_8B_Q4, apple, machine, nvidia
from launchpad.explain.hardware import STEP, free_change, gpu_change, memory_change
from launchpad.fit import fit
from launchpad.hardware.machine import Memory
from launchpad.wish import Wish


def busy(total: float, available: float):
    return replace(machine(available), memory=Memory(total=int(total * GIB), available=int(available * GIB)))


def test_what_other_programs_hold_may_be_enough_and_a_step_less_is_not(subject) -> None:
    on = busy(16, 4)
    change = free_change(subject(QWEN3_8B, QWEN3_8B_Q4, on), "run")
    assert change.reaches
    assert change.saves % STEP == 0

    def after(size: int):
        memory = replace(on.memory, available=on.memory.available + size)
        return fit(QWEN3_8B, QWEN3_8B_Q4, replace(on, memory=memory), Wish())

    assert after(change.saves).runs
    assert not after(change.saves - STEP).runs


def test_memory_that_is_not_there_cannot_be_freed(subject) -> None:
    assert free_change(subject(QWEN3_8B, QWEN3_8B_Q4, busy(6, 3)), "run") is None
    assert free_change(subject(QWEN3_8B, QWEN3_8B_Q4, busy(32, 28)), "run") is None


def test_a_busy_card_can_be_freed(subject) -> None:
    on = machine(32, nvidia(12, memory_free=4 * GIB))
    change = free_change(subject(QWEN3_8B, QWEN3_8B_Q4, on), "gpu")
    assert change.reaches
    assert "GPU memory" in change.text
    assert change.fit.placement.kind == "gpu"
    assert free_change(subject(QWEN3_8B, QWEN3_8B_Q4, machine(32, nvidia(4))), "gpu") is None


def test_the_smallest_card_that_holds_everything(subject) -> None:
    assert gpu_change(subject(QWEN3_8B, QWEN3_8B_Q4, machine(16))).text == "a GPU with 8 GB"
    assert gpu_change(subject(LLAMA_70B, LLAMA_70B_Q4, machine(16))).text == "a GPU with 48 GB"
    large = replace(LLAMA_70B_Q4, size=300 * GIB)
    assert gpu_change(subject(LLAMA_70B, large, machine(16))).text == "8 GPUs with 80 GB"


def test_the_smallest_main_memory_that_is_enough(subject) -> None:
    on = machine(16)
    change = memory_change(subject(LLAMA_70B, LLAMA_70B_Q4, on), "run")
    assert change.text in ("main memory of 48 GB", "main memory of 64 GB")
    assert change.fit.total < on.memory.total + change.saves
    assert memory_change(subject(LLAMA_70B, LLAMA_70B_Q4, machine(64, nvidia(24))), "gpu") is None


def test_unified_memory_comes_with_the_machine(subject) -> None:
    one = subject(LLAMA_70B, LLAMA_70B_Q4, machine(30, apple(27)))
    assert memory_change(one, "run").text.startswith("the same machine with ")
    assert gpu_change(one) is None


@pytest.mark.parametrize("goal", ["run", "gpu"])
def test_nothing_to_free_where_nothing_lacks(subject, goal) -> None:
    assert free_change(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24))), goal) is None
