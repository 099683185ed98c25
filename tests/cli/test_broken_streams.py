"""Event streams that are broken (group E11), through every command that asks: the right text, or exit code 6."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.testing.processes import engine_processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the simulated engine needs POSIX")
RIGHT = {"half-character": "€", "crlf": "", "two-in-one": "", "no-done": ""}
WRONG = {"error": "simulated failure", "garbage": "Not JSON", "huge": "repeats itself"}


@pytest.fixture
def ask(launchpad, tmp_path, private_home):
    """`launchpad` on the simulated engine whose stream has that fault."""
    model = tmp_path / "m.gguf"
    model.write_bytes(gguf())
    (tmp_path / "x.prompt.yml").write_text("messages: [{role: user, content: hello there}]")
    commands = {
        "chat": ("chat", str(model), "-p", "hello there"),
        "run": ("run", "x.prompt.yml", "--model", str(model)),
        "test": ("test", "x.prompt.yml", "--model", str(model), "--output-format", "json"),
    }

    def run(command: str, fault: str):
        env = {
            "LAUNCHPAD_PLUGIN_PATH": str(Path(__file__).with_name("simulated_backend.py")),
            "SIMULATED_ENGINE": f"--sse {fault}",
            "HF_ENDPOINT": "http://127.0.0.1:9",
        }
        ran = launchpad(*commands[command], "--backend", "simulated", env=env)
        assert "Traceback" not in ran.err
        assert not engine_processes(private_home)
        return ran

    return run


@pytest.mark.parametrize("fault", RIGHT)
@pytest.mark.parametrize("command", ["chat", "run", "test"])
def test_the_right_text(ask, command, fault):
    ran = ask(command, fault)
    assert ran.code == 0, ran.err
    assert "hello there" in ran.out
    assert RIGHT[fault] in ran.out
    assert "\ufffd" not in ran.out


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("command", ["chat", "run", "test"])
def test_an_error_that_says_what_was_wrong(ask, command, fault):
    ran = ask(command, fault)
    assert ran.code == 6
    assert WRONG[fault] in ran.err + ran.out
