"""One prompt by pipe: every standard input, every standard output, every form of the answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and devices")
SCHEMA = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}'


@pytest.fixture
def echo(launchpad):
    return lambda *arguments, **more: launchpad("chat", "--backend", "echo", *arguments, **more)


def test_text(echo):
    ran = echo("-p", "hello **you**")
    assert (ran.code, ran.out) == (0, "hello **you**\n")


def test_one_document(echo):
    ran = echo("-p", "hello", "--json")
    assert ran.document["answer"] == "hello"
    assert ran.document["json"] is None
    assert echo("-p", "hello", "--output-format", "json").document["answer"] == "hello"


def test_lines(echo):
    lines = [
        json.loads(line) for line in echo("-p", "a b", "--output-format", "stream-json").out.splitlines()
    ]
    assert [line.get("content") for line in lines if line["type"] == "delta"] == ["a", " b"]
    assert lines[-1]["type"] == "result"
    assert lines[-1]["answer"] == "a b"


def test_the_form_that_was_asked_for(echo, tmp_path):
    file = tmp_path / "schema.json"
    file.write_text(SCHEMA)
    for schema in (SCHEMA, str(file)):
        ran = echo("-p", '{"a": 1}', "--schema", schema, "--json")
        assert ran.document["json"] == {"a": 1}, ran.err
    assert echo("-p", '{"a": 1}', "--schema", SCHEMA).out == '{"a": 1}\n'


def test_the_wrong_form(echo):
    ran = echo("-p", '{"a": "x"}', "--schema", SCHEMA)
    assert (ran.code, ran.out) == (6, "")
    assert "After 3 tries" in ran.err
    lines = echo("-p", "no", "--schema", SCHEMA, "--output-format", "stream-json").out.splitlines()
    assert json.loads(lines[-1])["error"]["exit_code"] == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-p", "x", "--schema", "nowhere.json"), "cannot be read"),
        (("-p", "x", "--schema", "{"), "not JSON"),
        (("-p", "x", "--schema", '{"type": 5}'), "no JSON Schema"),
        (("-p", "x", "--tool", "nomodule"), "names no function"),
        (("-p", "x", "--tool", "os:nothing_there"), "cannot be loaded"),
        (("-p", "x", "--tool-command", "a b=ls"), "names no command"),
        (("-p", "x", "-c"), "no session to go on with"),
        (("-p", "x", "--session", "../x"), "cannot name a session"),
        (("-p", "x", "--image", "nowhere.png"), "cannot be read"),
        (("--no-stdin",), "no prompt"),
    ],
    ids=lambda found: " ".join(found) if isinstance(found, tuple) else "",
)
def test_mistakes(echo, arguments, told):
    ran = echo(*arguments)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == ""


def test_tools_need_somebody_who_agrees(echo):
    ran = echo("-p", "x", "--tool-command", "today=date")
    assert ran.code == 7
    assert "--yes-tools" in ran.err
    assert echo("-p", "x", "--tool-command", "today=date", "--yes-tools").code == 0


def in_shell(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    script = f'chat() {{ "{sys.executable}" -m launchpad chat --backend echo "$@"; }}\n{line}'
    return subprocess.run(["bash", "-c", script], capture_output=True, env={**os.environ, **env}, timeout=150)


@posix
@pytest.mark.parametrize(
    ("line", "code", "out"),
    [
        ("chat -p hi < /dev/null", 0, b"hi\n"),
        ("chat -p hi <&-", 0, b"hi\n"),
        ("echo data > f; chat -p hi < f", 0, b"hi\n\ndata\n"),
        ("echo data > f; chat < f", 0, b"data\n"),
        ("echo data | chat -p hi", 0, b"hi\n\ndata\n"),
        ("echo data | chat -p hi --no-stdin", 0, b"hi\n"),
        ("(sleep 0.4; echo slow; sleep 0.4; echo pipe) | chat -p hi", 0, b"hi\n\nslow\npipe\n"),
        ("mkfifo f; exec 9<>f; chat -p hi --stdin-timeout 0.1 < f", 2, b""),
        (r"printf '\xff\xfe' | chat -p hi", 2, b""),
        (r"printf '\xe9' | chat -p hi --stdin-encoding latin-1", 0, "hi\n\né\n".encode()),
        ("head -c 100000000 /dev/zero | chat -p hi", 2, b""),
        ("chat < /dev/null", 2, b""),
        ("chat -p hi < /dev/null >&-", 0, b""),
        ("chat -p hi < /dev/null > /dev/full", 6, b""),
        ("chat -p hi --json < /dev/null > /dev/full", 6, b""),
        ("chat -p hi --output-format stream-json < /dev/null > /dev/full", 6, b""),
        ("chat -p hi 2>&- < /dev/null", 0, b"hi\n"),
        ("LC_ALL=C PYTHONIOENCODING=ascii chat -p né --no-stdin", 0, b"n\\xe9\n"),
        ("TERM=dumb COLUMNS=1 HOME= chat -p hi --no-stdin", 0, b"hi\n"),
    ],
)
def test_standard_input_and_output(line, code, out, tmp_path):
    ran = in_shell(f"cd {tmp_path}; {line}")
    assert (ran.returncode, ran.stdout) == (code, out), ran.stderr
    assert b"Traceback" not in ran.stderr


@posix
@pytest.mark.parametrize("style", ["text", "json", "stream-json"])
def test_a_reader_that_goes_away(style):
    ran = in_shell(f"seq 60000 | chat --output-format {style} | true; echo ${{PIPESTATUS[1]}}")
    assert ran.stdout == b"141\n"
    assert ran.stderr == b""


@posix
def test_an_open_standard_input_is_never_waited_for_without_a_word():
    reading, writing = os.pipe()
    command = [
        sys.executable,
        "-m",
        "launchpad",
        "chat",
        "--backend",
        "echo",
        "-p",
        "hi",
        "--stdin-timeout",
        "0.2",
    ]
    done = subprocess.run(command, stdin=reading, capture_output=True, timeout=150)
    os.close(reading)
    os.close(writing)
    assert done.returncode == 2
    assert b"nothing came" in done.stderr


def test_sessions(launchpad, echo):
    assert launchpad("sessions").out == ""
    assert echo("--session", "trip", "-p", "one").code == 0
    assert echo("-c", "-p", "two").out == "two\n"
    (found,) = launchpad("sessions", "--json").document["sessions"]
    assert (found["name"], found["messages"], found["first"]) == ("trip", 4, "one")
    assert "trip" in launchpad("sessions", "list").out
    assert launchpad("sessions", "export", "trip").out.startswith("## You\n\none\n\n## echo\n\none\n")
    line = json.loads(launchpad("sessions", "export", "trip", "--as", "openai-chat").out)
    assert [message["role"] for message in line["messages"]] == ["user", "assistant"] * 2
    assert len(launchpad("sessions", "export", "trip", "--json").document["messages"]) == 4
    assert launchpad("sessions", "rm", "trip").code == 7
    assert launchpad("sessions", "rm", "trip", "nothing", "--yes").code == 2
    assert launchpad("sessions", "rm", "trip", "--yes", "--json").document["names"] == ["trip"]
    assert launchpad("sessions", "export", "trip").code == 2
