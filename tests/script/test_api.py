from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import Script
from launchpad.errors import UsageError

TEXT = """
name: N
messages:
  - {role: user, content: "{{x}}", as: first}
  - {role: user, content: "again {{x}}"}
testData: [{id: a, x: '{"n": 1}'}, {id: b, x: two}]
expect: [{contains: '"n"'}]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.prompt.yml"
    path.write_text(TEXT)
    return path


def test_a_script_from_python(path: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    script = Script.load(path)
    report = script.run(backend="echo", on_event=lambda kind, fields: heard.append(kind))
    assert (script.name, script.models) == ("N", ())
    assert not report.ok
    assert report.exit_code == 1
    assert [each.outcome for each in report.results] == ["pass", "fail"]
    assert report.case("a").kept("first").json == {"n": 1}
    b = report.case("b")
    assert str(b.answer) == "again two"
    assert (b.case, b.model, b.status, [check.outcome for check in b.checks]) == (
        "b",
        "echo",
        "fail",
        ["fail"],
    )
    assert [(message["role"], message["content"]) for message in b.messages] == [
        ("user", "two"), ("assistant", "two"), ("user", "again two"), ("assistant", "again two"),
    ]  # fmt: skip
    assert report.case("b").faults == ["contains: wanted: '\"n\"'"]
    assert {"ask", "delta", "turn", "result"} <= set(heard)
    for style in ("text", "markdown", "junit", "jsonl", "openai-batch"):
        assert report.text(style)
    report.write("json", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["counts"]["fail"] == 1
    with pytest.raises(UsageError, match="There are: a, b"):
        report.case("c")
    with pytest.raises(UsageError, match="no such answer"):
        report.case("a").kept("second")


def test_a_recording_answers(path: Path, tmp_path: Path) -> None:
    Script.load(path).run(backend="echo", transcript=tmp_path / "t.jsonl")
    report = Script.load(path).run(backend=f"replay:{tmp_path / 't.jsonl'}")
    assert str(report.case("b").answer) == "again two"


KILLED = """
import os, signal, sys
from launchpad.script.api import Script

def hear(kind, fields, left=[int(sys.argv[3])]):
    if kind == sys.argv[4]:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

Script.load(sys.argv[1]).run(backend="echo", resume=sys.argv[2], on_event=hear)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("kind", ["ask", "turn", "result"])
@pytest.mark.parametrize("after", range(4))
def test_kill_9_at_each_turn_and_resume_loses_and_doubles_nothing(
    path: Path, tmp_path: Path, kind: str, after: int
) -> None:
    turns = 4
    transcript = tmp_path / "t.jsonl"
    command = [sys.executable, "-c", KILLED, str(path), str(transcript), str(after), kind]
    killed = subprocess.run(command, check=False, timeout=150).returncode
    assert killed == (-signal.SIGKILL if after < (2 if kind == "result" else turns) else 0)
    report = Script.load(path).run(backend="echo", resume=transcript)
    assert [(each.case, each.outcome) for each in report.results] == [("a", "pass"), ("b", "fail")]
    records = [json.loads(line) for line in transcript.read_text().splitlines()]
    done = [record["case"] for record in records if record["type"] == "result"]
    assert sorted(done) == ["a", "b"]
    asked = [record["case"] for record in records if record.get("role") == "user"]
    assert len(asked) <= turns + 2  # at most the half case was asked again
