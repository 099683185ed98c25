"""Keeping the real embedded llama.cpp with a real small model: start, use it again, ask too much, restart, stop."""

from __future__ import annotations

import pytest

from launchpad.testing.processes import engine_processes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION = "What is the capital of France?"
PLAIN = ("--temperature", "0", "--system", "You are a helpful assistant.", "--max-tokens", "16")


def test_a_model_stays_and_answers_again(launchpad, smollm2, private_home):
    started = launchpad("start", str(smollm2), "--context", "2048", "--json")
    assert started.code == 0, started.err
    engine = started.document["engines"][0]
    assert (engine["report"]["context"], engine["report"]["slots"]) == (2048, 1)
    try:
        run = ("run", str(smollm2), QUESTION, *PLAIN, "--context", "2048")
        for _ in range(2):
            ran = launchpad(*run)
            assert "Paris" in ran.out
            assert f"using {engine['model']} ({engine['id']})" in ran.err
        document = launchpad(*run, "--json").document
        assert document["engine"]["process_memory"] == engine["report"]["process_memory"]
        assert document["memory"]["agrees"]
        long = launchpad("run", str(smollm2), "word " * 3000, *PLAIN, "--context", "2048")
        assert long.code == 6
        assert "the context holds 2048" in long.err.replace(",", "")
        assert "llama" in launchpad("logs", engine["id"]).out
        again = launchpad("restart", "--json").document["engines"][0]
        assert again["report"]["context"] == 2048
        assert again["pid"] != engine["pid"]
    finally:
        assert launchpad("stop", "--all").code == 0
    assert not engine_processes(private_home)


def test_it_unloads_by_itself(launchpad, smollm2, private_home):
    ran = launchpad("run", str(smollm2), QUESTION, *PLAIN, "--context", "1024", "--keep", "1s")
    assert "Paris" in ran.out
    eventually(lambda: not engine_processes(private_home), 15.0)
    assert launchpad("ps", "--json").document["engines"] == []


def test_more_context_than_the_model_is_made_for_is_refused(launchpad, smollm2):
    ran = launchpad("run", str(smollm2), QUESTION, "--context", "16384")
    assert ran.code == 3
    assert "16,384" in ran.err
    assert "8,192" in ran.err
