"""The page on Ollama against the tests and recordings that it names: each of the twenty rules has a test on its recording."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reference" / "ollama.md").read_text("utf-8")
ROW = re.compile(r"^\| (\d+) \| `([\w/.]+)::(\w+)` \| (.+) \|$", re.MULTILINE)
RULE = re.compile(r"^\| (\d+) \| (?!`[\w/.]+::)", re.MULTILINE)
ROWS = [(int(rule), file, test, recordings) for rule, file, test, recordings in ROW.findall(PAGE)]


@cache
def top_level(file: str) -> dict[str, ast.stmt]:
    """What a test file defines, by name."""
    found: dict[str, ast.stmt] = {}
    for statement in ast.parse((TESTS / file).read_text("utf-8")).body:
        if isinstance(statement, ast.FunctionDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            found |= {target.id: statement for target in statement.targets if isinstance(target, ast.Name)}
    return found


def texts(file: str, test: str) -> Iterator[str]:
    """Every text in a test, its parameters, and what it uses of its own file."""
    defined, waiting, seen = top_level(file), [test], {test}
    while waiting:
        for node in ast.walk(defined[waiting.pop()]):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.Name) and node.id in defined and node.id not in seen:
                seen.add(node.id)
                waiting.append(node.id)


def test_every_rule_is_told_and_has_a_test() -> None:
    rules = list(range(1, 21))
    assert [int(rule) for rule in RULE.findall(PAGE)] == rules
    assert list(dict.fromkeys(rule for rule, *_ in ROWS)) == rules


@pytest.mark.parametrize(("rule", "file", "test", "recordings"), ROWS)
def test_each_test_is_there_and_plays_its_recording(rule: int, file: str, test: str, recordings: str) -> None:
    used = set(texts(file, test))
    if recordings == "every error of every recording":
        assert "*.json" in used
        return
    for name in re.findall(r"`([\w-]+)`", recordings):
        assert (TESTS / "data" / "ollama" / f"{name}.json").is_file(), name
        assert name in used, f"{file}::{test} does not play {name}"
