"""What docs/reference/testing.md shows is run, and its table names all that the kit exports."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import launchpad.testing

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "testing.md").read_text("utf-8")


def test_every_name_of_the_kit_is_in_the_table() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    assert [name for name in launchpad.testing.__all__ if not re.search(rf"`{name}\b", table)] == []


def test_the_example_tests_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "examples" / "plugin_echo.py", tmp_path / "my_plugin.py")
    monkeypatch.chdir(tmp_path)
    source = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(source, names)
    names["test_my_backend_is_listed"]()
    names["test_a_pull_survives_a_cut"](tmp_path)
