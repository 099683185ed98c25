"""Prompt files that are wrong or hostile, through the command line: what is wrong and where, and no traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from launchpad.cli import _run
from script.test_document import HOSTILE
from script.test_parse import WRONG

FILES = {**{name: text for name, (text, _) in WRONG.items()}, **HOSTILE}
EMPTY = {"empty", "only a comment"}  # these have no place to point at but the file


def test_there_are_enough() -> None:
    assert len(FILES) >= 100


@pytest.mark.parametrize("command", ["run", "test", "lint"])
def test_every_one_is_refused_with_its_place(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unclear = []
    for number, (name, text) in enumerate(FILES.items()):
        path = tmp_path / f"{number}.prompt.yml"
        path.write_text(text, encoding="utf-8")
        code = _run([command, str(path), *(["--backend", "echo"] if command != "lint" else [])])
        told = capsys.readouterr()
        shown = told.out + told.err
        place = re.search(rf"{number}\.prompt\.yml(:\d+:\d+)?", shown)
        if code not in (2, 7) or place is None or not (place[1] or name in EMPTY):
            unclear.append((name, code, shown[:300]))
        assert "Traceback" not in shown
    assert unclear == []
