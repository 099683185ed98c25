"""Completion: the names that are offered, and the scripts in real shells."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from launchpad.cli import names
from launchpad.cli.completion import SHELLS
from launchpad.cli.root import cli

BIN = str(Path(sys.executable).parent)


def offered(*words):
    """The values that the protocol of bash gives for the last of these words."""
    from click.shell_completion import get_completion_class

    completion = get_completion_class("bash")(cli, {}, "launchpad", "_LAUNCHPAD_COMPLETE")
    return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "among"),
    [
        (("",), "run"),
        (("run", "qwen3-8"), "qwen3-8b"),
        (("serve", "qwen3-8b", "qwen3-1"), "qwen3-14b"),
        (("catalog", "update", "qwen3-8"), "qwen3-8b"),
        (("run", "aut"), "auto:code"),
        (("run", "--backend", "lla"), "llamacpp"),
        (("config", "get", "engines."), "engines.keep"),
        (("connect", "claude"), "claude-code"),
        (("completion", "po"), "powershell"),
        (("catalog", "up"), "update"),
    ],
    ids=" ".join,
)
def test_names_are_offered(words, among):
    assert among in offered(*words)


def test_models_that_are_here_are_offered_for_removal(monkeypatch):
    from types import SimpleNamespace

    from launchpad.pull import inventory

    monkeypatch.setattr(
        inventory, "list_local", lambda: [SimpleNamespace(model_id=None, ref="hf:a/b:Q4_K_M")]
    )
    assert offered("rm", "hf") == ["hf:a/b:Q4_K_M"]
    assert offered("rm", "qwen") == []


def test_sessions_are_offered(private_home):
    folder = private_home / "launchpad" / "data" / "sessions"
    folder.mkdir(parents=True)
    (folder / "20261127-101500-a1b2c3.jsonl").touch()
    for words in (("chat", "--session", "2026"), ("sessions", "export", "2026"), ("sessions", "rm", "")):
        assert offered(*words) == ["20261127-101500-a1b2c3"], words


def test_a_path_is_completed_where_no_model_begins_like_it():
    completion = names.Name(names.catalog_models, files=True)
    (item,) = completion.shell_complete(click.Context(cli), click.Argument(["model"]), "./models/")
    assert (item.type, item.value) == ("file", "./models/")


def test_every_model_of_the_catalog_is_offered():
    from launchpad.catalog.load import load_packaged

    assert {model.id for model in load_packaged()[1]} <= set(names.catalog_models())


def test_an_installed_plugin_is_offered(tmp_path, monkeypatch):
    info = tmp_path / "launchpad_lamp-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: launchpad-lamp\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[launchpad.v1]\nlamp = lamp\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"lamp", "ollama", "probes"} <= set(names.plugins())
    assert "lamp" in names.backends()
    assert "probes" not in names.backends()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(launchpad, shell):
    ran = launchpad("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"{shell}_complete" in ran.out


def test_powershell_speaks_its_protocol(launchpad):
    """The script cannot run here (no PowerShell): what it would ask, and that the answer is in threes."""
    asked = {
        "_LAUNCHPAD_COMPLETE": "powershell_complete",
        "COMP_WORDS": "launchpad run qwen3-8",
        "COMP_CWORD": "2",
    }
    lines = launchpad(env=asked).out.splitlines()
    assert lines[:2] == ["plain", "qwen3-8b"]


def _environment():
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb"}


def test_in_bash():
    program = """
        eval "$(launchpad completion bash)"
        complete -p launchpad
        COMP_WORDS=(launchpad run qwen3-8); COMP_CWORD=2
        _launchpad_completion launchpad; echo "${COMPREPLY[*]}"
    """
    ran = subprocess.run(
        ["bash", "--norc", "-c", program], capture_output=True, text=True, env=_environment(), timeout=150
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines()[1].split()[0] == "qwen3-8b"


@pytest.mark.shells
def test_in_fish():
    program = "launchpad completion fish | source; complete -C 'launchpad run qwen3-8'"
    ran = subprocess.run(
        ["fish", "--no-config", "-c", program],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=150,
    )
    assert ran.stderr == ""
    assert "qwen3-8b" in ran.stdout.split()


@pytest.mark.shells
def test_in_zsh():
    """Keys are typed into a real zsh on a terminal: the word is completed in place."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], _environment())
    try:
        os.write(
            terminal,
            b"autoload -Uz compinit; compinit -u; source <(launchpad completion zsh); print re''ady\n",
        )
        _until(terminal, b"ready\r")
        os.write(terminal, b"launchpad completion powe\t")
        _until(terminal, b"powershell")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def _until(terminal, text):
    seen, end = b"", time.monotonic() + 40
    while text not in seen:
        assert time.monotonic() < end, seen
        seen += os.read(terminal, 4096)
