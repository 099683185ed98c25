"""What a user sees of an engine that dies, does less than planned, or is asked too much: a simulated engine, a real process."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.testing.processes import engine_processes

PLUGIN = Path(__file__).with_name("simulated_backend.py")


@pytest.fixture
def ask(launchpad, tmp_path, private_home):
    """Ask the simulated engine one question."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())

    def run(*arguments: str, engine: str = "", context: int = 0, did: dict | None = None):
        env = {
            "LAUNCHPAD_PLUGIN_PATH": str(PLUGIN),
            "SIMULATED_ENGINE": engine,
            "SIMULATED_CONTEXT": str(context),
            "SIMULATED_REPORT": json.dumps(did or {}),
        }
        return launchpad("run", str(path), "--backend", "simulated", "hello there", *arguments, env=env)

    yield run
    assert not engine_processes(private_home)


def test_out_of_memory_at_load_is_tried_once_more_and_works(ask):
    full = ask("--json").document["planned"]["context"]
    ran = ask(engine="--signal-at-load SIGKILL", context=full // 2)
    assert ran.code == 0
    assert f"Trying once more with a context of {full // 2:,}" in ran.err
    assert "hello there" in ran.out


def test_out_of_memory_at_every_size_names_need_and_way_out(ask):
    ran = ask(engine="--signal-at-load SIGKILL")
    assert ran.code == 5
    assert ran.err.count("Trying once more") == 1
    assert re.search(
        r"why: It ended by signal SIGKILL .*needs \d+ MiB on cpu, where [\d.]+ [GM]iB are free", ran.err
    )
    assert re.search(r"do: .*--context \d+", ran.err)
    assert "| simulated engine: loading" in ran.err


def test_a_context_by_name_is_not_made_smaller(ask):
    ran = ask("--context", "4096", engine="--signal-at-load SIGABRT")
    assert ran.code == 5
    assert "Trying once more" not in ran.err


def test_another_cause_is_not_tried_again(ask):
    ran = ask(engine="--exit-at-load 3")
    assert ran.code == 5
    assert "Trying once more" not in ran.err
    assert "exit code 3; its last words: error: simulated failure to load" in ran.err


def test_the_gpu_that_is_required_is_not_used(ask):
    ran = ask("--require-gpu")
    assert ran.code in (3, 5)
    assert "GPU" in ran.err


def test_less_context_than_asked_for_is_refused(ask):
    ran = ask("--context", "4096", did={"context": 2048})
    assert ran.code == 5
    assert "4,096 tokens of context were asked for, and the engine gives 2,048" in ran.err
    assert "--context 2048" in ran.err


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("--crash-at-token 1", "The engine ended by signal SIGSEGV"),
        ("--crash-at-token 50 --token-seconds 0.001", "The engine ended by signal SIGSEGV"),
        ("--sse error", "simulated failure"),
        ("--sse garbage", "Not JSON"),
    ],
)
def test_an_answer_that_breaks_off_is_an_error_and_what_came_is_shown(ask, engine, said):
    ran = ask("word " * 80, engine=engine)
    assert ran.code == 6
    assert said in ran.err
    assert ran.out.startswith("The")
    assert "Traceback" not in ran.err


def test_figures_of_the_first_answer(ask):
    ran = ask()
    assert re.search(r"first token after \d+(\.\d+)? m?s", ran.err)
    document = ask("--json").document
    assert document["first_token"] > 0
    assert document["engine"]["context"] == document["planned"]["context"]


def test_a_prompt_that_is_too_long_names_both_numbers_in_every_path(ask, launchpad, tmp_path):
    engine = "--context 100"
    for arguments in (
        (),
        ("--json",),
        ("--keep", "1m"),
        ("--keep", "1m"),
    ):  # the last one uses the kept engine
        ran = ask("word " * 200, *arguments, engine=engine)
        assert ran.code == 6
        text = json.loads(ran.out)["error"]["why"] if "--json" in arguments else ran.err
        assert "202" in text
        assert "100" in text
    assert launchpad("stop", "--all", env={**os.environ}).code == 0
