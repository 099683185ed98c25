from __future__ import annotations

import json
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
    assert str(report.case("b").answer) == "again two"
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
