"""Idle kept engines give way to a new one: the simulated engine really holds memory, the machine has little of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.engines import kept, use
from launchpad.testing.processes import engine_processes, eventually

MIB = 1 << 20


SHORT = {
    "LAUNCHPAD_PLUGIN_PATH": str(Path(__file__).with_name("simulated_backend.py")),
    "SIMULATED_ENGINE": f"--hold {700 * MIB}",
    "SIMULATED_MEMORY": str(1240 * MIB),
    "LAUNCHPAD_PLUGINS_DISABLED": "probes",  # the real memory is not what this is about
}

IN_PYTHON = """
import launchpad
wish = launchpad.Wish(backend="simulated", context=1024)
with launchpad.launch("two.gguf", wish=wish, report=lambda event: print(getattr(event, "message", ""))) as chat:
    print(chat.ask("one two three").text)
"""


@pytest.fixture
def short(launchpad, tmp_path, private_home):
    """A command on a machine that holds one engine of 700 MiB, but not two."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.gguf").write_bytes(gguf())

    def run(*arguments: str):
        return launchpad(*arguments, "--backend", "simulated", "--context", "1024", env=SHORT)

    yield run
    launchpad("stop", "--all")
    eventually(lambda: not engine_processes(private_home))


def test_an_idle_engine_is_unloaded_first_and_that_is_said(short, launchpad):
    assert short("start", "one.gguf").code == 0
    foreseen = short("plan", "two.gguf")
    assert foreseen.code == 0, foreseen.err
    assert "nobody uses is counted as free" in foreseen.err + foreseen.out
    assert [one.model for one in kept.usable()] == ["one"]  # a plan unloads nothing
    ran = short("start", "two.gguf")
    assert ran.code == 0, ran.err
    (line,) = [line for line in ran.err.splitlines() if "made room for two" in line]
    assert line.startswith("one (")
    engines = json.loads(launchpad("ps", "--json").out)["engines"]
    assert [one["model"] for one in engines] == ["two"]


def test_from_python_an_idle_engine_is_unloaded_too(short, tmp_path):
    assert short("start", "one.gguf").code == 0
    command = [sys.executable, "-c", IN_PYTHON]
    ran = subprocess.run(
        command, env={**os.environ, **SHORT}, cwd=tmp_path, capture_output=True, text=True, timeout=150
    )
    assert ran.returncode == 0, ran.stderr
    assert "made room for two" in ran.stdout
    assert "The answer is: one two three" in ran.stdout
    assert list(kept.usable()) == []


def test_a_busy_engine_is_never_unloaded(short):
    assert short("start", "one.gguf").code == 0
    (record,) = kept.usable()
    held = kept.attach(record.token)
    assert held is not None
    try:
        ran = short("start", "two.gguf")
    finally:
        held.stop()
    assert ran.code == 3, ran.err
    assert "made room" not in ran.err
    assert not use.is_held(record.token, "attached")
    assert [one.model for one in kept.usable()] == ["one"]
