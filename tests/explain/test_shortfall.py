"""What is missing is what makes the difference."""

from __future__ import annotations

import pytest

from fit_facts import LLAMA_70B, LLAMA_70B_Q4, QWEN3_8B, QWEN3_8B_Q4, machine, nvidia
from launchpad.explain.shortfall import MIB, shortfall, with_memory
from launchpad.explain.subject import lack, reaches
from launchpad.wish import Wish


@pytest.mark.parametrize("on", [machine(20), machine(20, nvidia(12)), machine(8, nvidia(24))])
def test_with_what_is_missing_it_runs_and_with_a_mib_less_it_does_not(subject, on) -> None:
    one = subject(LLAMA_70B, LLAMA_70B_Q4, on)
    missing = shortfall(one, "run")
    assert missing > 0
    for extra, runs in ((missing + MIB, True), (missing - MIB, False)):
        found = one.attempt(one.build, with_memory(on, extra), Wish())
        assert reaches(found, "run") == runs


def test_cards_and_main_memory_lack_less_together_than_either_alone(subject) -> None:
    one = subject(LLAMA_70B, LLAMA_70B_Q4, machine(20, nvidia(12)))
    assert shortfall(one, "run") < lack(one.least("run"))


def test_what_is_left_over_is_negative(subject) -> None:
    assert shortfall(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64)), "run") < 0
    assert shortfall(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(24))), "gpu") < 0
    assert shortfall(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64)), "gpu") is None
