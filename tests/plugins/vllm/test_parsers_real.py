"""The parsers that launchpad names are registered in the real vLLM: their lists are read, nothing is imported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from launchpad.plugins.vllm.parsers import RULES

pytestmark = pytest.mark.vllm


@pytest.mark.parametrize(("package", "place"), [("tool_parsers", 1), ("reasoning", 2)])
def test_every_parser_is_known_there(package: str, place: int, real_python: Path) -> None:
    packages = next(real_python.parent.parent.glob("lib/python3*/site-packages"))
    text = (packages / "vllm" / package / "__init__.py").read_text("utf-8")
    known = set(re.findall(r'^    "([a-z0-9_]+)": \(', text, re.MULTILINE))
    assert len(known) > 30
    assert {rule[place] for rule in RULES if rule[place]} <= known
