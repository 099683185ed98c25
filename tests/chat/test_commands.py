"""What is a command, and what is a question that starts with a slash."""

from __future__ import annotations

import pytest

from launchpad.chat.commands import is_command


@pytest.mark.parametrize("line", ["/help", "/think off", "/hlep", "/", "/?", "/save /tmp/x"])
def test_commands(line: str) -> None:
    assert is_command(line)


@pytest.mark.parametrize(
    "line", ["/etc/hosts is what?", " /help", "//", "/Users/me", "what is /help", "", "/* C */"]
)
def test_questions(line: str) -> None:
    assert not is_command(line)
