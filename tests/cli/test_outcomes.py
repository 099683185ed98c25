"""A refusal says what to do, and ends with a code that the command's own help names."""

from __future__ import annotations

import pytest

from launchpad.cli.outcomes import OUTCOMES

REFUSALS = (
    "run nosuch hi",
    "chat nosuch -p hi",
    "serve nosuch",
    "serve --host 0.0.0.0",
    "start nosuch",
    "connect codex",
    "env",
    "stop",
    "restart",
    "logs nosuch",
    "engines install nosuch",
    "engines rollback nosuch",
    "batch nosuch -o answers.jsonl",
    "test nosuch.prompt.yml",
    "recommend --min-speed 9999",
    "plan nosuch",
    "fit nosuch",
    "explain nosuch",
    "bench nosuch",
    "models nosuch",
    "catalog add nosuch",
    "catalog add hf://org/nosuch:Q4_0",
    "catalog update nosuch",
    "catalog remove nosuch",
    "landscape --on nosuch",
    "hardware --on nosuch",
    "hardware --on nosuch.toml",
    "pull nosuch",
    "pull hf://org/nosuch:Q4_0",
    "inspect nosuch",
    "verify nosuch",
    "rm nosuch --yes",
    "bundle export nosuch file.tar",
    "bundle import nosuch.tar",
    "generate systemd nosuch",
    "sessions rm nosuch",
    "chat --session .. -p hi",
    "plugins check nosuch",
    "plugins new backend no.such",
    "plugins uninstall nosuch",
)


@pytest.mark.parametrize("line", REFUSALS)
def test_a_refusal_says_what_to_do_and_its_code_is_in_the_help(launchpad, line):
    words = line.split()
    path = next(name for name in (" ".join(words[:2]), words[0]) if name in OUTCOMES)
    ran = launchpad(*words, env={"OLLAMA_HOST": "127.0.0.1:9"})
    assert "error: " in ran.err, ran.err
    assert "\n  do:  " in ran.err, ran.err
    assert ran.code in {2, *map(int, OUTCOMES[path].codes)}
