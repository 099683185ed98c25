"""Poor surroundings: closed streams, no home, a home that is a file, settings that are none. Works, or a clear error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and file modes")


def in_shell(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in which `launchpad` is this one."""
    script = f'launchpad() {{ "{sys.executable}" -m launchpad "$@"; }}\n{line}'
    return subprocess.run(["sh", "-c", script], capture_output=True, env={**os.environ, **env}, timeout=150)


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["plugins", "recommend --on 'RTX 4090'", "config"])
def test_closed_streams(command, closed):
    ran = in_shell(f"launchpad {command} {closed}")
    assert ran.returncode == 0
    assert b"Traceback" not in ran.stderr
    assert bool(ran.stdout) == (">&-" not in closed.split())


@posix
def test_closed_streams_and_an_error():
    assert in_shell("launchpad plan no-such-model-at-all <&- >&- 2>&-").returncode == 3


@posix
@pytest.mark.parametrize("home", ["", "/nonexistent/home"])
def test_no_home(home):
    ran = in_shell("unset LAUNCHPAD_HOME HF_HUB_CACHE; launchpad hardware", HOME=home)
    assert ran.returncode in (0, 2)
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("command", [("recommend",), ("hardware",), ("list",), ("plugins",)], ids=" ".join)
def test_a_home_that_cannot_hold_anything(launchpad, tmp_path, command):
    file = tmp_path / "file"
    file.write_text("not a folder")
    ran = launchpad(*command, "--json", env={"LAUNCHPAD_HOME": str(file)})
    assert ran.code == 0, ran.err
    assert ran.document["schema_version"] == 1
    assert "Traceback" not in ran.err


def test_a_setting_cannot_be_kept_there_and_that_is_said(launchpad, tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    ran = launchpad("config", "set", "run.context", "4096", env={"LAUNCHPAD_HOME": str(file)})
    assert ran.code == 2
    assert str(file) in ran.err
    assert "Traceback" not in ran.err


def config_file() -> Path:
    """Where the command looks for settings."""
    path = Path(os.environ["LAUNCHPAD_HOME"], "config", "config.toml")
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"[run]\ncontext = ",
        b"[run]\x00",
        "[run]\ncontext = 5\n".encode("utf-16"),
        b"[run]\nno = 1\n",
        b"#" * 2_000_000,
    ],
    ids=["half", "NUL", "UTF-16", "unknown key", "too large"],
)
def test_broken_settings_are_named_with_their_place(launchpad, content):
    path = config_file()
    path.write_bytes(content)
    ran = launchpad("list", "--json")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "config"
    assert str(path) in ran.document["error"]["message"]
    assert path.read_bytes() == content  # never "repaired"
    assert launchpad("--help").code == 0


def test_settings_that_are_a_folder(launchpad):
    config_file().mkdir()
    assert launchpad("list").code == 2


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("run.context", "abc", "It takes a whole number."),
        ("run.require_gpu", "maybe", "It takes true or false."),
        ("output.color", "red", "It takes one of auto, always, never."),
        ("run.purpose", "x", "It takes one of chat, code"),
        ("run.offline", "no way", "The default is false."),
    ],
)
def test_what_a_setting_takes_is_said_in_words(launchpad, key, text, told):
    ran = launchpad("config", "set", key, text)
    assert ran.code == 2
    assert told in ran.err
