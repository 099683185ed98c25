"""The example scripts: all are clean, all run; with the real small model where what it says does not matter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import Script
from launchpad.catalog.find import known
from launchpad.catalog.load import load_packaged
from launchpad.script.lint import lint_files
from launchpad.script.load import find_scripts, load_script

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMPTS = EXAMPLES / "prompts"
NEED_A_MODEL = ("extract.prompt.yml", "triage.prompt.yml")
GIVEN = {"stdin": "- one\n+ two", "file": "print(1)"}


def test_they_are_clean() -> None:
    found = lint_files([str(EXAMPLES)], {"file": ""})
    assert found.files == 7
    assert found.problems == ()


def test_the_models_that_they_name_exist() -> None:
    for path in find_scripts([str(PROMPTS)]):
        for model in load_script(path).models:
            assert known(model, lambda: load_packaged()[1]), model


@pytest.mark.parametrize("path", find_scripts([str(PROMPTS)]), ids=lambda path: path.name)
def test_each_runs_and_its_recording_gives_the_same(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    shutil.copytree(PROMPTS, folder)
    script, transcript = Script.load(folder / path.name), tmp_path / "t.jsonl"
    first = script.run(backend="echo", vars=GIVEN, transcript=transcript)
    assert len(first.results) >= len(script.models or [1])
    if path.name in NEED_A_MODEL:  # they want JSON, which an echo does not give
        assert first.exit_code == 6
        return
    shutil.rmtree(folder / "summaries", ignore_errors=True)
    again = script.run(backend=f"replay:{transcript}", vars=GIVEN)
    assert [str(each.result.answer and each.result.answer.text) for each in first.results] == [
        str(each.result.answer and each.result.answer.text) for each in again.results
    ]


@pytest.mark.engine
@pytest.mark.parametrize("name", ["triage", "extract", "summarize", "commit"])
def test_each_runs_with_a_real_model(name: str, smollm2: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    shutil.copytree(PROMPTS, folder)
    report = Script.load(folder / f"{name}.prompt.yml").run(models=[str(smollm2)], vars=GIVEN)
    # A model of 135 million parameters may well sort a mail wrongly; it may not break the form.
    assert report.exit_code in (0, 1), report.text()
    if name == "triage":
        assert {each.answer.json["queue"] for each in report.results} <= {"billing", "bug", "other"}
    if name == "summarize":
        assert sorted(path.name for path in (folder / "summaries").iterdir()) == ["bread.md", "rivers.md"]


@pytest.mark.engine
def test_a_deterministic_script_says_the_same_each_time(smollm2: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.prompt.yml"
    path.write_text(
        "deterministic: true\nmodelParameters: {maxTokens: 40}\nmessages: [{role: user, content: Tell a short story.}]\n"
        f"testData: [{', '.join(f'{{id: n{n}}}' for n in range(20))}]"
    )
    report = Script.load(path).run(models=[str(smollm2)])
    assert len({str(each.answer) for each in report.results}) == 1


@pytest.mark.engine
def test_requests_in_a_batch(smollm2: Path, tmp_path: Path, private_home: Path) -> None:
    text = (PROMPTS / "requests.jsonl").read_text().replace('"auto"', json.dumps(str(smollm2)))
    (tmp_path / "in.jsonl").write_text(text)
    command = [
        sys.executable,
        "-m",
        "launchpad",
        "batch",
        "in.jsonl",
        "-o",
        "out.jsonl",
        "--jobs",
        "2",
        "--yes",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [
        json.loads(line)["response"]["body"] for line in (tmp_path / "out.jsonl").read_text().splitlines()
    ]
    assert all(answer["usage"]["completion_tokens"] > 0 for answer in answers)


@pytest.mark.engine
def test_from_python(smollm2: Path, private_home: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "chat_from_python.py"), str(smollm2)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 3
