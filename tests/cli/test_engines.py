"""Engines that stay, from the command line: `start`, `run --keep`, `ps`, `stop`, `restart`, `logs`.

The engine is simulated, a real child process; guard, keeper, records and commands are real.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gguf_bytes import gguf
from launchpad.testing.processes import engine_processes, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreaper and /proc are Linux's")

PLUGIN = Path(__file__).with_name("simulated_backend.py")


@pytest.fixture(autouse=True)
def no_orphans(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test: no process of an engine, a guard or a keeper is left."""
    monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", str(PLUGIN))
    yield
    left = engine_processes(private_home)
    for pid in left:
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).kill()
    assert not left


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    os.utime(path, (0, 0))
    return str(path)


@pytest.fixture
def kept(launchpad, model: str) -> Iterator[Callable[..., dict]]:
    """Start an engine that stays; all are stopped after the test."""

    def start(*options: str, env: dict[str, str] | None = None) -> dict:
        ran = launchpad("start", model, "--backend", "simulated", "--json", *options, env=env)
        assert ran.code == 0, ran.err
        engine: dict = ran.document["engines"][0]
        return engine

    yield start
    launchpad("stop", "--all")


def test_an_engine_stays_is_used_again_and_stops_when_told(launchpad, model, kept, private_home):
    engine = kept()
    assert engine["state"] == "ready"
    assert engine["idle"] == 1800
    assert len(engine_processes(private_home)) == 4  # keeper, guard, its witness, engine
    ran = launchpad("run", model, "--backend", "simulated", "one two three")
    assert ran.out.strip() == "The answer is: one two three"
    assert f"using {engine['model']} ({engine['id']})" in ran.err
    listed = launchpad("ps", "--json").document["engines"]
    assert [(e["id"], e["pid"], e["state"]) for e in listed] == [(engine["id"], engine["pid"], "ready")]
    assert engine["id"] in launchpad("ps").out
    assert launchpad("stop", engine["id"]).code == 0
    assert not engine_processes(private_home)
    assert launchpad("ps", "--json").document["engines"] == []
    assert not list((private_home / "launchpad" / "state" / "run").iterdir())


def test_an_engine_is_called_as_it_was_started(launchpad, model, kept):
    """`ps` shows the name that the file states, which nobody types."""
    engine = kept()
    assert Path(model).name.lower() not in engine["model"].lower()
    assert launchpad("logs", model).out == launchpad("logs", engine["id"]).out != ""
    assert launchpad("stop", Path(model).name).code == 0  # the file lies in the folder of the command
    assert launchpad("stop", model).code == 5


def test_no_engine_is_meant_by_an_empty_name(launchpad, kept):
    kept()
    assert launchpad("stop", "").code == 2
    assert len(launchpad("ps", "--json").document["engines"]) == 1


def test_run_ends_its_engine_unless_told_to_keep_it(launchpad, model, private_home):
    run = ("run", model, "--backend", "simulated", "hello there")
    assert launchpad(*run).code == 0
    assert not engine_processes(private_home)
    assert launchpad(*run, env={"LAUNCHPAD_ENGINES_KEEP": "1h"}).code == 0
    assert len(engine_processes(private_home)) == 4
    assert "using" in launchpad(*run, "--keep", "0").err  # a loaded engine is used whoever loaded it
    assert launchpad("stop").code == 0
    assert launchpad(*run, "--keep", "0.4s").code == 0
    eventually(lambda: not engine_processes(private_home))


def test_a_larger_context_or_another_file_is_not_served_by_it(launchpad, model, kept, tmp_path):
    kept("--context", "1024")
    run = ("run", model, "--backend", "simulated", "hello there")
    assert "using" in launchpad(*run, "--context", "512").err
    assert "using" not in launchpad(*run, "--context", "2048").err
    assert "using" not in launchpad(*run).err  # nothing asked: as large a context as fits, not what is there
    assert "using" not in launchpad("run", "other.gguf", "--backend", "simulated", "hi").err
    Path(model).write_bytes(gguf())  # another content under the same name
    assert "using" not in launchpad(*run, "--context", "512").err


def test_a_named_program_that_is_not_there_is_the_cause(launchpad, model):
    ran = launchpad(
        "run", model, "--engine", "/no/such/llama-server", "hi", env={"LAUNCHPAD_PLUGIN_PATH": ""}
    )
    assert ran.code == 5
    assert "/no/such/llama-server" in ran.err
    assert "the engines here read nothing" not in ran.err


def test_an_engine_that_died_is_told_and_then_replaced(launchpad, model, kept, private_home):
    engine = kept()
    os.kill(engine["pid"], signal.SIGSEGV)
    eventually(lambda: not engine_processes(private_home))
    shown = launchpad("ps")
    assert "failed" in shown.out
    assert "ended by signal SIGSEGV" in shown.err
    assert kept()["id"] != engine["id"]
    assert len(launchpad("ps", "--json").document["engines"]) == 1


def test_restart_starts_the_same_again(launchpad, kept):
    before = kept("--context", "512", "--keep", "2h")
    after = launchpad("restart", before["id"], "--json").document["engines"][0]
    assert after["id"] != before["id"]
    assert (after["idle"], after["report"]) == (before["idle"], before["report"])
    assert len(launchpad("ps", "--json").document["engines"]) == 1


def test_logs_of_a_running_and_of_an_ended_engine(launchpad, kept):
    engine = kept()
    assert "listening" in launchpad("logs", engine["id"]).out
    assert launchpad("logs", "-n", "1").out.count("\n") == 1
    following = subprocess.Popen(
        [sys.executable, "-m", "launchpad", "logs", "-f"], stdout=subprocess.PIPE, text=True
    )
    with following:
        assert following.stdout is not None
        assert following.stdout.readline()
        launchpad("stop")
        assert following.wait(150) == 0
    assert "listening" in launchpad("logs", engine["id"]).out
    assert launchpad("logs", "nothing-like-it").code == 2


def test_what_is_meant_must_be_clear(launchpad, kept):
    assert launchpad("stop").code == 5
    assert launchpad("stop", "--all").code == 0
    kept("--context", "512")
    kept("--context", "1024")
    ran = launchpad("stop")
    assert ran.code == 2
    assert "More than one" in ran.err
    refused = launchpad("stop", "no-such-model")
    assert refused.code == 2
    assert "  do:  Give an id or a model of these" in refused.err
    assert len(launchpad("stop", "--all", "--json").document["engines"]) == 2


def test_the_engine_of_a_running_command_is_listed_and_can_be_stopped(launchpad, model, private_home):
    chat = subprocess.Popen(
        [sys.executable, "-m", "launchpad", "run", model, "--backend", "simulated", "word " * 400],
        env={**os.environ, "SIMULATED_ENGINE": "--token-seconds 0.5"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with chat:
        busy = eventually(
            lambda: [e for e in launchpad("ps", "--json").document["engines"] if e["state"] == "busy"]
        )
        assert not busy[0]["kept"]
        assert busy[0]["owner"] == chat.pid
        refused = launchpad("restart", busy[0]["id"])
        assert refused.code == 7
        assert str(chat.pid) in refused.err
        assert launchpad("stop").code == 0
        _, errors = chat.communicate(timeout=150)
    assert chat.returncode == 6
    assert "cut" in errors
