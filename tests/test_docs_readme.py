"""The README's tables are those of the data that they speak of."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
FIGURES = (ROOT / "bench" / "fit" / "README.md").read_text("utf-8")


def _generator():
    spec = importlib.util.spec_from_file_location("build_readme", ROOT / "tools" / "build_readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_data():
    assert _generator().renewed(README) == README, "run: python tools/build_readme.py"


def test_ten_machines_of_all():
    assert len(re.findall(r"^\| .* \| (?:directly|after thinking) \|", README, re.MULTILINE)) == 10
    assert f"All {len(json.loads((ROOT / 'tests/golden/picks.json').read_text()))} machines" in README


def test_the_counts_are_those_of_the_measurement():
    for count in re.findall(r"1,\d{3}", README.partition("## How far off it is")[2].partition("<!--")[0]):
        assert count.replace(",", " ") in FIGURES
