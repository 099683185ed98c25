"""The pages on scripted sessions say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from launchpad.cli.script_options import _OPTIONS, FORMATS
from launchpad.script.export import FORMATS as EXPORTS
from launchpad.script.parse import GITHUB_FIELDS, MESSAGE_FIELDS, OWN_FIELDS
from launchpad.script.parse_checks import CHECKS

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs/reference/prompt-file.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs/how-to/script-conversations.md").read_text(encoding="utf-8")


def test_every_field_and_check_is_documented() -> None:
    words = set(re.findall(r"[A-Za-z_-]+", REFERENCE))
    for name in (*GITHUB_FIELDS, *OWN_FIELDS, *MESSAGE_FIELDS, *CHECKS):
        assert name in words or name == "tool_call_id", name


def test_every_option_that_is_named_exists() -> None:
    known = {flag for flags, _ in _OPTIONS.values() for flag in flags}
    known |= {
        "--print",
        "--backend",
        "--offline",
        "--yes",
        "--as",
        "--launchpad",
        "--launchpad-backend",
        "--staged",
    }
    found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", REFERENCE + HOW_TO))
    assert found <= known, found - known


def test_the_formats_that_are_named_exist() -> None:
    assert set(re.findall(r"--output-format ([a-z-]+)", HOW_TO)) <= set(FORMATS)
    assert "|".join(EXPORTS) in REFERENCE


def test_the_examples_that_are_named_exist() -> None:
    for name in re.findall(r"examples/prompts/[\w.]+", HOW_TO):
        assert (ROOT / name).exists(), name
