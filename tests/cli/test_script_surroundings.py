"""Prompt files in poor surroundings (groups C3 and C4): closed streams, no home, one column, ASCII; a reader that leaves, a full disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chat.terminal_harness import terminal
from gguf_bytes import gguf
from launchpad.testing.processes import engine_processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
FILE = """\
name: Größe
messages:
  - {role: user, content: "Wie geht es {{name}}, 日本?", expect: [{contains: geht}]}
testData: [{id: é, name: Zoë}, {id: two, name: Bob}]
"""
BATCH = '{"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "auto", "messages": [{"role": "user", "content": "né"}]}}\n'
COMMANDS = {
    "test": "test x.prompt.yml --backend echo",
    "run": "run x.prompt.yml --print all --backend echo",
    "batch": "batch x.jsonl -o out.jsonl --resume --backend echo --json",
    "lint": "lint x.prompt.yml --json",
    "export": "transcript export t.jsonl",
}
FIRST = {"export": f"launchpad {COMMANDS['test']} --transcript t.jsonl > /dev/null &&"}
STYLES = ("text", "json", "jsonl", "stream-json", "markdown", "junit", "openai-batch")
SURROUNDINGS = {
    "ascii": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    "no home": {"HOME": ""},
    "dumb": {"TERM": "dumb", "COLUMNS": "1", "LINES": "1"},
    "no color": {"NO_COLOR": "1", "TERM": "xterm-256color"},
}


@pytest.fixture
def shell(tmp_path: Path, private_home: Path):
    """Runs a line of shell where `launchpad` is this one, beside the files above."""
    (tmp_path / "x.prompt.yml").write_text(FILE, encoding="utf-8")
    (tmp_path / "x.jsonl").write_text(BATCH, encoding="utf-8")

    def run(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        script = f'cd "{tmp_path}"; launchpad() {{ "{sys.executable}" -m launchpad "$@"; }}\n{line}'
        ran = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            env={**os.environ, "PYTHONUNBUFFERED": "", **env},
            timeout=150,
        )
        assert b"Traceback" not in ran.stderr, ran.stderr
        assert b"Exception ignored" not in ran.stderr, ran.stderr
        return ran

    return run


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", COMMANDS)
def test_closed_streams(shell, command, closed):
    ran = shell(f"{FIRST.get(command, '')} launchpad {COMMANDS[command]} {closed}")
    assert ran.returncode == 0, ran.stderr
    assert bool(ran.stdout) == (">&-" not in closed.split())


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_poor_surroundings(shell, command, surroundings):
    ran = shell(
        f"{FIRST.get(command, '')} launchpad {COMMANDS[command]} < /dev/null", **SURROUNDINGS[surroundings]
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
    assert b"\x1b" not in ran.stdout + ran.stderr
    if surroundings == "ascii":
        assert ran.stdout.isascii()


def test_a_batch_needs_a_file_for_its_answers(shell, tmp_path):
    assert shell("launchpad batch x.jsonl -o - --backend echo").returncode == 2
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("style", STYLES)
def test_a_full_disk_behind_stdout_is_one_error_and_code_6(shell, style, buffered):
    line = f"launchpad {COMMANDS['test']} --output-format {style} < /dev/null > /dev/full"
    ran = shell(line, PYTHONUNBUFFERED=buffered)
    assert ran.returncode == 6
    assert ran.stderr.decode().startswith(
        "error: The output could not be written.\n  why: No space left on device\n"
    )


@pytest.mark.parametrize("command", ["run", "batch", "lint", "export"])
def test_the_other_commands_too(shell, command):
    ran = shell(f"{FIRST.get(command, '')} launchpad {COMMANDS[command]} < /dev/null > /dev/full")
    assert ran.returncode == 6
    assert b"could not be written" in ran.stderr


@pytest.mark.parametrize("style", STYLES)
def test_a_reader_that_leaves_at_once(shell, style, tmp_path):
    os.mkfifo(tmp_path / "gone")
    test = f"launchpad {COMMANDS['test']} --output-format {style} < /dev/null"
    ran = shell(f"(read -r go < gone; {test}) | (exec 0<&-; echo go > gone); echo ${{PIPESTATUS[0]}}")
    assert ran.stdout == b"141\n"
    assert ran.stderr == b""


@pytest.mark.parametrize(("where", "code"), [("> /dev/full", 6), ("| head -n 1 > /dev/null", 141)])
def test_the_engine_is_stopped_and_no_further_case_is_asked(shell, tmp_path, private_home, where, code):
    (tmp_path / "m.gguf").write_bytes(gguf())
    rows = ", ".join(f"{{id: r{number}, name: x}}" for number in range(200))
    (tmp_path / "x.prompt.yml").write_text(
        re.sub(r"testData: .*", f"testData: [{rows}]", FILE), encoding="utf-8"
    )
    line = f"launchpad test x.prompt.yml --model m.gguf --backend simulated --output-format jsonl --transcript n.jsonl {where}"
    ran = shell(
        f"{line}; echo ${{PIPESTATUS[0]}}",
        LAUNCHPAD_PLUGIN_PATH=str(Path(__file__).with_name("simulated_backend.py")),
        SIMULATED_ENGINE="--token-seconds 0.02",
        HF_ENDPOINT="http://127.0.0.1:9",
    )
    assert ran.stdout == f"{code}\n".encode(), ran.stderr
    asked = (tmp_path / "n.jsonl").read_text().count('"role": "user"') + (
        tmp_path / "n.jsonl"
    ).read_text().count('"role":"user"')
    assert 1 <= asked < 100
    assert not engine_processes(private_home)


@pytest.mark.parametrize(
    ("line", "code", "out"),
    [
        ("ask < f", 0, b"hi data\n"),
        ("ask - < f", 2, b""),  # a file is no prompt
        ("echo data | ask", 0, b"hi data\n"),
        ("(sleep 0.4; echo slow; sleep 0.4; echo pipe) | ask", 0, b"hi slow\npipe\n"),
        ("ask < /dev/null", 2, b""),  # not "hi {{stdin}}" to the model
        ("ask <&-", 2, b""),
        (r"printf '\xff\xfe' | ask", 2, b""),
        (r"printf '\xe9' | ask --stdin-encoding latin-1", 0, "hi é\n".encode()),
        ("head -c 100000000 /dev/zero | ask", 2, b""),
        ("sleep 0.5 | ask --var stdin=given", 0, b"hi given\n"),
    ],
)
def test_standard_input_of_a_file_that_asks_for_it(shell, tmp_path, line, code, out):
    (tmp_path / "f").write_text("data\n")
    (tmp_path / "in.prompt.yml").write_text("messages: [{role: user, content: 'hi {{stdin}}'}]")
    ran = shell(f'ask() {{ launchpad run in.prompt.yml --backend echo "$@"; }}; {line}')
    assert (ran.returncode, ran.stdout) == (code, out), ran.stderr


def test_a_terminal_is_never_read_as_data(tmp_path, private_home):
    path = tmp_path / "in.prompt.yml"
    path.write_text("messages: [{role: user, content: 'hi {{stdin}}'}]")
    main = str(Path(__file__).with_name("chat_main.py"))
    with terminal("run", str(path), "--backend", "echo", program=(main,), columns=100) as shown:
        assert shown.wait() == 2
        assert "stdin" in shown.shown()
        assert shown.restored()
