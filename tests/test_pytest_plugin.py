"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = """
messages: [{role: user, content: "{{x}}"}]
testData: [{id: good, x: Paris}, {id: bad, x: London}]
expect: [{contains: Paris}]
"""
TEST = """
def test_it(launchpad_script):
    assert str(launchpad_script("x.prompt.yml", backend="echo").case("good").answer) == "Paris"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=150,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, private_home: Path) -> Path:
    (tmp_path / "x.prompt.yml").write_text(TEXT)
    (tmp_path / "test_x.py").write_text(TEST)
    return tmp_path


def test_prompt_files_are_items(folder: Path) -> None:
    done = run(folder, "-v", "--launchpad", "--launchpad-backend", "echo")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "x.prompt.yml::good PASSED" in done.stdout
    assert "x.prompt.yml::bad FAILED" in done.stdout
    assert "test_x.py::test_it PASSED" in done.stdout
    assert "contains: wanted: 'Paris'" in done.stdout
    assert "answer: London" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_installed_launchpad_changes_nobodys_run(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_one_case_can_be_chosen(folder: Path) -> None:
    done = run(folder, "--launchpad", "--launchpad-backend", "echo", "x.prompt.yml::good")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_broken_file_is_a_collection_error(folder: Path) -> None:
    (folder / "x.prompt.yml").write_text("foo: 1")
    done = run(folder, "--launchpad")
    assert done.returncode == 2
    assert "has no field 'foo'" in done.stdout
