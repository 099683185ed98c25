"""One prompt, one answer: what is on stdout, what is on stderr, and how each failure ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chat.simulated_engine import SimulatedEngine, answer, piece
from chat.terminal_harness import PROCESS, terminal
from launchpad.chat.oneshot import Think
from launchpad.chat.oneshot import answer as ask
from launchpad.chat.session import Session
from launchpad.chat.transcript import read_records, session_path
from launchpad.errors import AnswerError


def one(engine: SimulatedEngine, *, tty: bool = False, think: Think = "show") -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    ask(Session(engine.server(), keep=False), "hi", stdout=out, stderr=err, tty=tty, think=think)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\r\n"])
def test_exactly_one_newline_at_the_end(engine: SimulatedEngine, ending: str) -> None:
    engine.reply(*answer("a\n\nb", *ending))
    assert one(engine) == ("a\n\nb\n", "")


def test_a_pipe_gets_the_models_own_bytes_and_a_terminal_does_not(engine: SimulatedEngine) -> None:
    engine.reply(*answer("\x1b[2J", "\u200bé"))
    assert one(engine)[0] == "\x1b[2J\u200bé\n"
    assert one(engine, tty=True)[0] == "␛[2J\\u{200B}é\n"


def test_reasoning_never_reaches_stdout(engine: SimulatedEngine) -> None:
    engine.reply(*answer("<think>h", "m</think>", "42"))
    assert one(engine) == ("42\n", "hm\n")


@pytest.mark.parametrize(("think", "err"), [("show", "hm\n"), ("hide", ""), ("off", "")])
def test_think(engine: SimulatedEngine, think: Think, err: str) -> None:
    engine.reply(piece(reasoning_content="hm"), *answer("42"))
    assert one(engine, think=think) == ("42\n", err)
    assert ("chat_template_kwargs" in engine.requests[0]) == (think == "off")


def test_figures_are_returned(engine: SimulatedEngine) -> None:
    engine.reply(*answer("a", "b", prompt=7))
    out = io.StringIO()
    stats = ask(Session(engine.server(), keep=False), "hi", stdout=out, stderr=out, tty=False)
    assert stats.usage is not None
    assert (stats.usage.prompt, stats.usage.completion, stats.context) == (7, 2, 4096)


def test_a_cut_answer_is_written_and_then_an_error(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"), piece("tial\n"))
    out = io.StringIO()
    with pytest.raises(AnswerError, match="cut"):
        ask(Session(engine.server(), keep=False), "hi", stdout=out, stderr=out, tty=False)
    assert out.getvalue() == "partial\n"


@pytest.mark.parametrize(("finish", "hint"), [("length", "--max-tokens"), ("stop", "None")])
def test_an_empty_answer_is_an_error(engine: SimulatedEngine, finish: str, hint: str) -> None:
    engine.reply(piece(reasoning_content="hm"), *answer("\n", finish=finish))
    out = io.StringIO()
    with pytest.raises(AnswerError, match="no answer") as caught:
        ask(Session(engine.server(), keep=False), "hi", stdout=out, stderr=io.StringIO(), tty=False)
    assert hint in str(caught.value.hint)
    assert out.getvalue() == ""


def start(engine: SimulatedEngine, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROCESS), "oneshot", engine.endpoint]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **(streams | options))  # type: ignore[call-overload,no-any-return]


def test_a_pipe_sees_lines_as_they_come(engine: SimulatedEngine) -> None:
    engine.reply(piece("first\nsec"), hold=True)
    with start(engine) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.stderr is not None
        err = process.stderr.read()
    assert (rest, err, process.returncode) == (b"sec\n", b"", 130)
    assert engine.gone.wait(150)
    assert read_records(session_path("chat"))[-1]["finish_reason"] == "cancelled"


def test_a_reader_that_goes_away_stops_the_engine_quietly(engine: SimulatedEngine) -> None:
    engine.reply(piece("first\n"), endless=piece("more\n"))
    with start(engine) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(150) == 141
        assert process.stderr.read() == b""
    assert engine.gone.wait(150)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error(engine: SimulatedEngine) -> None:
    engine.reply(piece("first\n"), endless=piece("more\n"))
    with Path("/dev/full").open("wb") as full, start(engine, stdout=full) as process:
        _, err = process.communicate()
    assert process.returncode == 6
    assert err.decode() == "The answer could not be written.\nNo space left on device\n"
    assert engine.gone.wait(150)


def test_ascii_output_is_escaped_not_a_traceback(engine: SimulatedEngine) -> None:
    engine.reply(*answer("né 😀"))
    environ = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    with start(engine, env=environ) as process:
        assert process.communicate() == (b"n\\xe9 \\U0001f600\n", b"")
    assert process.returncode == 0


def test_a_stderr_that_is_gone_costs_no_answer(engine: SimulatedEngine) -> None:
    engine.reply(piece(reasoning_content="hm\n"), piece(reasoning_content="hm\n"), *answer("42"))
    with start(engine) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout.read() == b"42\n"
    assert process.returncode == 0


def test_on_a_terminal(engine: SimulatedEngine) -> None:
    engine.reply(piece(reasoning_content="h\x1b[2Jm"), *answer("\x1b]0;pwned\x07", "42"))
    with terminal("oneshot", engine.endpoint) as shown:
        assert shown.wait() == 0
        assert shown.shown() == "h␛[2Jm\n␛]0;pwned42"
        assert shown.raw.startswith("\x1b[2mh␛[2Jm\x1b[22m\r\n".encode())
        assert shown.screen.requests == []


def test_ctrl_c_on_a_terminal(engine: SimulatedEngine) -> None:
    engine.reply(piece("begin"), endless=piece(""))
    with terminal("oneshot", engine.endpoint) as shown:
        shown.expect("begin")
        shown.send("\x03")
        assert shown.wait() == 130
        assert shown.restored()
    assert engine.gone.wait(150)
