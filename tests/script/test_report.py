from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from launchpad.errors import AnswerError, UsageError
from launchpad.script import report as render
from launchpad.script.export import export
from launchpad.script.load import load_script
from launchpad.script.results import Report, from_summary
from launchpad.script.runner import RunOptions, run_script
from script.conftest import Opener, Scripted, Write

TEXT = """
name: "A | <name>"
models: [a, b]
testData: [{id: good, x: '{"n": 1}'}, {id: "bad|<&>", x: "\\e[31m"}, {id: broken, x: broken}]
messages: [{role: user, content: "{{x}}"}]
expect: [{is-json: true}]
"""


@pytest.fixture
def report(script: Write, tmp_path: Path) -> Report:
    path = tmp_path / "r.prompt.yml"
    path.write_text(TEXT.replace("\\e", "\\x1b"), encoding="utf-8")
    model = Scripted(
        lambda m: [AnswerError("cut", why="why")] if m[-1].content == "broken" else m[-1].content
    )
    opener = Opener({"a": model, "b": model})
    return run_script(
        load_script(path), opener, RunOptions(transcript=str(tmp_path / "t.jsonl"), models=("a",))
    )


def test_text(report: Report) -> None:
    text = render.text(report)
    assert "ok      good" in text
    assert "FAILED  bad|<&>" in text
    assert "cut why" in text
    assert "1 passed, 1 failed, 1 with errors" in text


def test_markdown(report: Report) -> None:
    lines = render.markdown([report]).splitlines()
    assert lines[0] == "## A \\| <name>"
    assert lines[2] == "| case | simulated |"
    assert lines[4].startswith("| good | 1/1 ·")
    assert lines[5].startswith("| bad\\|<&> | 0/1")
    assert lines[6].endswith("(error) |")
    assert lines[7] == "| **all** | **1/3** |"


def test_junit_is_xml_whatever_the_answer_holds(report: Report) -> None:
    root = ElementTree.fromstring(render.junit([report]))
    suite = root[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    good, bad, broken = suite
    assert good.find("failure") is None
    assert bad.get("name") == "bad|<&>"
    assert bad.find("failure") is not None
    assert "\\x1b[31m" in (bad.findtext("system-out") or "")
    assert broken.find("error") is not None


def test_lines(report: Report) -> None:
    first = json.loads(render.result_line(report.results[0], report.path))
    assert first["answer"]["json"] == {"n": 1}
    assert first["script"] == report.path
    good, _, broken = (json.loads(render.batch_line(result)) for result in report.results)
    assert good["custom_id"] == "good:simulated"
    assert good["response"]["body"]["choices"][0]["message"] == {"role": "assistant", "content": '{"n": 1}'}
    assert broken["response"]["status_code"] == 500


def test_a_result_comes_back_from_the_transcript(report: Report, tmp_path: Path) -> None:
    found = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    back = [from_summary(line) for line in found if line["type"] == "result"]
    assert [(each.case, each.outcome, each.exit_code) for each in back] == [
        (each.case, each.outcome, each.exit_code) for each in report.results
    ]
    assert back[0].answer == report.results[0].answer


def test_exports(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    chats = [json.loads(line) for line in export(path, "openai-chat").splitlines()]
    assert chats[0] == {
        "messages": [{"role": "user", "content": '{"n": 1}'}, {"role": "assistant", "content": '{"n": 1}'}]
    }
    assert export(path, "markdown").startswith("# good · simulated\n\n## You\n")
    again = tmp_path / "again.prompt.yml"
    again.write_text(export(path, "prompt-yml"), encoding="utf-8")
    assert load_script(again).entries[-1].asked
    rows = list(csv.DictReader(io.StringIO(export(path, "csv"))))
    assert [row["outcome"] for row in rows] == ["pass", "fail", "error"]
    assert ElementTree.fromstring(export(path, "junit"))[0].get("tests") == "3"


def test_what_is_no_transcript(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        export(tmp_path / "none", "markdown")
    (tmp_path / "x").write_text("{}\n[\n")
    with pytest.raises(UsageError, match="holds no conversation"):
        export(tmp_path / "x", "markdown")
