"""The picks for machines that people have: every change of them is seen, and looked at."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "tools" / "build_golden_picks.py"


def test_picks_are_those_of_the_golden_table() -> None:
    spec = importlib.util.spec_from_file_location("build_golden_picks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool
    spec.loader.exec_module(tool)
    kept = tool.TABLE.read_text("utf-8").splitlines()
    now = tool.written(tool.picks()).splitlines()
    diff = list(difflib.unified_diff(kept, now, "tests/golden/picks.json", "picks now", lineterm="", n=4))
    if diff:
        pytest.fail(
            "\n".join([*diff, "", "If this is meant: python tools/build_golden_picks.py"]), pytrace=False
        )
