"""Prompt files from the command line: real processes, answered by the echo and by recordings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cli.conftest import Launchpad

TALK = """
name: Talk
messages:
  - {role: system, content: "Be brief."}
  - {role: user, content: "My dog is {{dog}}.", as: told, expect: [{contains: Bruno}]}
  - {role: user, content: "Who? {{told}}", as: who}
testData: [{id: one, dog: Bruno}]
"""
BAD = TALK.replace("contains: Bruno", "contains: Rex")


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.prompt.yml"
    path.write_text(TALK)
    return path


def test_a_script_prints_its_last_answer_and_nothing_else(launchpad: Launchpad, talk: Path) -> None:
    ran = launchpad("run", str(talk), "--backend", "echo")
    assert (ran.code, ran.out, ran.err) == (0, "Who? My dog is Bruno.\n", "")


@pytest.mark.parametrize(
    ("show", "out"),
    [("all", "My dog is Bruno.\nWho? My dog is Bruno.\n"), ("told", "My dog is Bruno.\n"), ("none", "")],
)
def test_what_is_printed(launchpad: Launchpad, talk: Path, show: str, out: str) -> None:
    assert launchpad("run", str(talk), "--backend", "echo", "--print", show).out == out


def test_a_failed_check_is_told_and_the_exit_code_says_so(launchpad: Launchpad, talk: Path) -> None:
    talk.write_text(BAD)
    ran = launchpad("run", str(talk), "--backend", "echo")
    assert ran.code == 1
    assert ran.out == "Who? My dog is Bruno.\n"
    assert "contains: wanted: 'Rex'" in ran.err
    assert launchpad("run", str(talk), "--backend", "echo", "--fail-on", "none").code == 0


def test_json_has_the_answer_where_there_is_one(launchpad: Launchpad, tmp_path: Path) -> None:
    path = tmp_path / "j.prompt.yml"
    path.write_text("messages: [{role: user, content: '{{stdin}}'}]\nresponseFormat: json_object")
    ran = launchpad(
        "run", str(path), "--backend", "echo", "--output-format", "json", stdin='{"invoice_no": 7}'
    )
    assert ran.document["answer"]["json"] == {"invoice_no": 7}
    assert ran.document["scripts"][0]["counts"]["pass"] == 1
    ran = launchpad("test", str(path), "--backend", "echo", "--json", stdin="no json")
    assert ran.code == 6
    assert "not the JSON" in ran.document["scripts"][0]["results"][0]["error"]


def test_stream_json_is_one_object_a_line(launchpad: Launchpad, talk: Path) -> None:
    ran = launchpad("run", str(talk), "--backend", "echo", "--output-format", "stream-json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["type"] for line in lines if line["type"] != "delta"] == [
        "ask",
        "turn",
        "ask",
        "turn",
        "result",
        "end",
    ]
    said = "".join(line["content"] for line in lines if line["type"] == "delta" and line["turn"] == 2)
    assert said == "Who? My dog is Bruno."


def test_reports(launchpad: Launchpad, talk: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.prompt.yml").write_text(BAD)
    ran = launchpad("test", str(tmp_path), "--backend", "echo")
    assert ran.code == 1
    assert "ok      one  [echo]" in ran.out
    assert "FAILED  one  [echo]" in ran.out
    ran = launchpad("test", str(tmp_path), "--backend", "echo", "--output-format", "junit")
    assert [suite.get("failures") for suite in ElementTree.fromstring(ran.out)] == ["1", "0"]
    ran = launchpad("test", str(tmp_path), "--backend", "echo", "--output-format", "markdown")
    assert ran.out.count("| **all** |") == 2
    ran = launchpad("test", str(tmp_path), "--backend", "echo", "--output-format", "jsonl")
    assert [json.loads(line)["outcome"] for line in ran.out.splitlines()] == ["fail", "pass"]


def test_transcript_replay_resume_against_and_export(
    launchpad: Launchpad, talk: Path, tmp_path: Path
) -> None:
    path = str(tmp_path / "t.jsonl")
    assert launchpad("run", str(talk), "--backend", "echo", "--transcript", path).code == 0
    ran = launchpad("test", str(talk), "--backend", f"replay:{path}", "--against", path)
    assert ran.code == 0
    ran = launchpad("run", str(talk), "--backend", "echo", "--resume", path, "--output-format", "jsonl")
    assert json.loads(ran.out)["resumed"] is True
    ran = launchpad("transcript", "export", path, "--as", "openai-chat")
    assert len(json.loads(ran.out)["messages"]) == 4
    ran = launchpad("run", str(talk), "--backend", "replay:nowhere.jsonl")
    assert ran.code == 2
    assert "There is no transcript" in ran.err


def test_variables_and_standard_input(launchpad: Launchpad, tmp_path: Path) -> None:
    path = tmp_path / "s.prompt.yml"
    path.write_text("vars: {a: {required: true}}\nmessages: [{role: user, content: '{{a}} {{stdin}}'}]")
    (tmp_path / "f.txt").write_text("of a file")
    ran = launchpad("run", str(path), "--backend", "echo", "--var", "a=@f.txt", stdin="piped\n")
    assert ran.out == "of a file piped\n"
    ran = launchpad("run", str(path), "--backend", "echo", stdin="x")
    assert ran.code == 2
    assert "The variable a has no value" in ran.err
    ran = launchpad("run", str(path), "--backend", "echo", "--var", "a=b", stdin=b"\xff")
    assert ran.code == 2


def test_a_script_that_does_not_ask_for_standard_input_does_not_wait_for_it(
    launchpad: Launchpad, talk: Path
) -> None:
    read, write = os.pipe()  # open for ever
    try:
        done = subprocess.run(
            [sys.executable, "-m", "launchpad", "run", str(talk), "--backend", "echo"],
            stdin=read, capture_output=True, timeout=150, check=False,
        )  # fmt: skip
    finally:
        os.close(read)
        os.close(write)
    assert done.stdout == b"Who? My dog is Bruno.\n"


def test_a_silent_pipe_is_an_error_after_a_while(tmp_path: Path, private_home: Path) -> None:
    path = tmp_path / "s.prompt.yml"
    path.write_text("messages: [{role: user, content: '{{stdin}}'}]")
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "launchpad", "run", str(path), "--backend", "echo", "--stdin-timeout", "0.2"],
            stdin=read, capture_output=True, timeout=150, check=False,
        )  # fmt: skip
    finally:
        os.close(read)
        os.close(write)
    assert done.returncode == 2
    assert b"nothing came" in done.stderr


def test_a_reader_that_goes_away_ends_the_run_quietly(talk: Path, private_home: Path, tmp_path: Path) -> None:
    rows = ", ".join(f"{{dog: Bruno{number}}}" for number in range(2_000))
    talk.write_text(TALK.replace("{id: one, dog: Bruno}", rows))
    child = subprocess.Popen(
        [sys.executable, "-m", "launchpad", "run", str(talk), "--backend", "echo", "--output-format", "jsonl"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(timeout=150) == 141


def test_a_full_disk_behind_stdout(talk: Path, private_home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "launchpad", "run", str(talk), "--backend", "echo"],
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=150, check=False,
        )  # fmt: skip
    assert done.returncode == 6
    assert b"could not be written" in done.stderr


def test_kill_after_each_turn_and_resume_loses_and_doubles_nothing(
    talk: Path, private_home: Path, tmp_path: Path
) -> None:
    """SIGKILL as soon as the transcript has grown; the last run finds the rest of the work done once."""
    rows = ", ".join(f"{{id: r{number}, dog: Bruno{number}}}" for number in range(300))
    talk.write_text(TALK.replace("{id: one, dog: Bruno}", rows))
    path = tmp_path / "t.jsonl"
    command = [
        sys.executable,
        "-m",
        "launchpad",
        "test",
        str(talk),
        "--backend",
        "echo",
        "--resume",
        str(path),
    ]
    kills = 0
    for goal in range(20_000, 200_000, 40_000):
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while child.poll() is None and (not path.exists() or path.stat().st_size < goal):
            time.sleep(0.001)
        kills += child.poll() is None
        child.kill()
        child.wait()
    assert kills >= 3
    done = subprocess.run(
        [*command, "--output-format", "jsonl"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 300
    finished: dict[str, int] = {}
    for line in path.read_bytes().splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        if found["type"] == "result":
            finished[found["case"]] = finished.get(found["case"], 0) + 1
    assert len(finished) == 300
    assert set(finished.values()) == {1}


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "x.prompt.yml", "a prompt beside"),
        ("run", "none.prompt.yml"),
        ("test", "nowhere"),
        ("run", "x.prompt.yml", "--print", "nobody"),
        ("run", "x.prompt.yml", "--var", "novalue"),
        ("run", "x.prompt.yml", "--against", "none.jsonl"),
        ("batch", "none.jsonl", "-o", "out.jsonl"),
        ("transcript", "export", "none.jsonl"),
    ],
)
def test_what_cannot_be_done_is_told_in_three_lines(
    launchpad: Launchpad, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "x.prompt.yml").write_text("messages: [{role: user, content: a}]")
    backend = ("--backend", "echo") if arguments[0] in ("run", "test", "batch") else ()
    ran = launchpad(*arguments, *backend)
    assert ran.code == 2
    assert [line.split(":")[0].strip() for line in ran.err.splitlines()[-3:]] == ["error", "why", "do"]


def test_a_script_cannot_set_the_engine(launchpad: Launchpad, tmp_path: Path) -> None:
    for extra in (
        "engine: {flags: [--rpc]}",
        "chat_template: x",
        "plugins: [x]",
        "host: 0.0.0.0",
        "backend: x",
    ):
        (tmp_path / "x.prompt.yml").write_text(f"messages: [{{role: user, content: a}}]\n{extra}")
        ran = launchpad("run", "x.prompt.yml", "--backend", "echo")
        assert ran.code == 2
        assert "has no field" in ran.err


def test_an_unknown_model_is_a_warning_or_with_strict_an_error(launchpad: Launchpad, tmp_path: Path) -> None:
    (tmp_path / "x.prompt.yml").write_text("model: openai/gpt-4o\nmessages: [{role: user, content: a}]")
    ran = launchpad("run", "x.prompt.yml", "--offline", "--strict-model")
    assert "openai/gpt-4o is unknown here" in ran.err + ran.out
    assert ran.code == 2
    ran = launchpad("run", "x.prompt.yml", "--offline")
    assert "the best that fits this machine answers instead" in ran.err
    assert ran.code == 3  # nothing is on this disk


def test_lint(launchpad: Launchpad, tmp_path: Path) -> None:
    (tmp_path / "x.prompt.yml").write_text("messages: [{role: user, content: a}]\nfoo: 1")
    ran = launchpad("lint")
    assert ran.code == 2
    assert (
        ran.out
        == "x.prompt.yml:2:6: error: a prompt file has no field 'foo'. Known are: "
        + ran.out.partition("Known are: ")[2]
    )
    assert launchpad("lint", "--json").document["problems"][0]["line"] == 2
    (tmp_path / "x.prompt.yml").write_text("messages: [{role: user, content: a}]")
    assert launchpad("lint").code == 0


def test_batch(launchpad: Launchpad, tmp_path: Path) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "2+2?"}], "max_tokens": 8}
    line = {"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (tmp_path / "in.jsonl").write_text(json.dumps(line) + "\n")
    ran = launchpad("batch", "in.jsonl", "-o", "out.jsonl", "--backend", "echo", "--json")
    assert ran.document["answered"] == 1
    answer = json.loads((tmp_path / "out.jsonl").read_text())
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == "2+2?"
