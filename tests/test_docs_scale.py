"""docs/explanation/scale.md shows what its commands print; `python tools/build_scale_page.py` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from build_scale_page import PAGE, commands, shown  # noqa: E402


@pytest.mark.parametrize("command", commands(PAGE.read_text("utf-8")))
def test_the_page_shows_what_the_command_prints(command: str, tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    block = page.partition(f"$ {command}\n```\n\n")[2]
    text = block.partition("\n")[2].partition("```")[0]
    assert text.strip()
    assert text == shown(command, tmp_path)
