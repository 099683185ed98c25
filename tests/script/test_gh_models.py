"""The example files of GitHub's own runner, unmodified: all are clean, run, and are replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from launchpad import Script
from launchpad.chat.options import Message
from launchpad.script.api import ScriptReport
from launchpad.script.lint import lint_files
from script.conftest import Opener, Scripted

FOLDER = Path(__file__).parents[1] / "data" / "gh-models"
FILES = sorted(FOLDER.glob("*.yml"))
CASES = {"failing_test_prompt": 2, "json_response_prompt": 2, "json_schema_prompt": 3, "sample_prompt": 2}
SHORT = (  # those that bound their answers themselves
    "advanced_template_prompt",
    "failing_test_prompt",
    "sample_prompt",
    "template_variables_prompt",
    "test_builtins",
)
ANIMAL = '{"name": "dog", "habitat": "land", "diet": "omnivore"}'
ANSWER = '{"title": "hello and goodbye"}'


def outcomes(report: ScriptReport) -> list[tuple[str, str]]:
    return [(each.outcome, str(each.result.answer and each.result.answer.text)) for each in report.results]


def simulated(messages: Sequence[Message]) -> str:
    """A model that gives the form that is asked for, and full marks as a judge."""
    asked = messages[-1].content
    if "Grade (1 to 5)" in asked:
        return "5"
    return ANIMAL if asked.startswith("Describe a") else ANSWER


def test_none_has_an_error() -> None:
    found = lint_files([str(path) for path in FILES], {})
    assert found.files == len(FILES) == 9
    assert found.errors == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_answered_judged_recorded_and_replayed(path: Path, tmp_path: Path) -> None:
    script, transcript = Script.load(path), tmp_path / "t.jsonl"
    model = Scripted(simulated)
    first = script.run(models=["simulated"], opener=Opener({"simulated": model}), transcript=transcript)
    assert len(first.results) == CASES.get(path.stem, 1)
    # One of the files is made to fail: no answer can hold what its checks look for.
    wanted = "fail" if path.stem == "failing_test_prompt" else "pass"
    said = ANIMAL if path.stem == "json_schema_prompt" else ANSWER
    assert outcomes(first) == [(wanted, said)] * len(first.results)
    assert outcomes(script.run(backend=f"replay:{transcript}")) == outcomes(first)


@pytest.mark.engine
@pytest.mark.parametrize("name", SHORT)
def test_each_runs_with_a_real_model(name: str, smollm2: Path) -> None:
    report = Script.load(FOLDER / f"{name}.yml").run(models=[str(smollm2)])
    # What so small a model says may fail a check; but each has its answer, and its judges' verdicts.
    assert {each.outcome for each in report.results} <= {"pass", "fail"}, report.text()
