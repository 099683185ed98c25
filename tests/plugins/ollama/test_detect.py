"""Is there an Ollama? Servers that answer, do not, are too old, or are something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.plugins.ollama import detect
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.detect import status, too_old
from launchpad.testing.replay import Replay
from ollama_traffic import exchanges, recording, says


@pytest.fixture
def no_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "find_binary", lambda: None)


@pytest.fixture
def silent_port() -> int:
    """A port on which nobody listens."""
    with Replay([]) as replay:
        return replay.port


def test_a_server_that_runs() -> None:
    with Replay(recording("version")) as replay:
        found = status(Address(port=replay.port))
    assert (found.state, found.version, found.why) == ("ready", "0.33.0-rc2", None)


def test_a_server_that_is_too_old() -> None:
    with Replay([says("/api/version", {"version": "0.12.5"}, method="GET")]) as replay:
        found = status(Address(port=replay.port))
    assert found.state == "unusable"
    assert "0.12.6" in (found.why or "")
    assert "https://ollama.com/download" in (found.hint or "")


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("0.12.5", True), ("0.12.6", False), ("0.12.6-rc1", False), ("0.9.0", True), ("0.33.0-rc2", False),
        ("1.0.0", False), ("0.0.0", False), ("dev", False),
    ],
)  # fmt: skip
def test_the_floor(version: str, old: bool) -> None:
    assert too_old(version) is old


@pytest.mark.parametrize("answer", [{"version": 3}, {"name": "other"}, [1], "text"])
def test_something_else_answers(answer: object) -> None:
    with Replay([says("/api/version", answer, method="GET")]) as replay:
        found = status(Address(port=replay.port))
    assert found.state == "unusable"
    assert "no Ollama server" in (found.why or "")


def test_a_server_that_knows_no_such_path() -> None:
    with Replay(exchanges("root")) as replay:
        assert status(Address(port=replay.port)).state == "unusable"


def test_neither_running_nor_installed(no_binary: None, silent_port: int) -> None:
    found = status(Address(port=silent_port))
    assert (found.state, found.why) == ("installable", "Ollama is neither running nor installed.")
    assert "https://ollama.com" in (found.hint or "")


@pytest.mark.parametrize(
    ("prints", "state"), [("ollama version is 0.33.0", "ready"), ("client version is 0.9.1", "unusable")]
)
def test_a_program_that_can_be_started(
    prints: str, state: str, silent_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ollama"
    program.write_text(f"#!/bin/sh\necho 'Warning: could not connect'\necho '{prints}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = status(Address(port=silent_port))
    assert found.state == state
    assert found.version == prints.split()[-1]


def test_a_server_elsewhere_that_does_not_answer(
    silent_port: int, monkeypatch: pytest.MonkeyPatch, no_binary: None
) -> None:
    monkeypatch.setattr(Address, "local", False)
    found = status(Address(port=silent_port))
    assert found.state == "unusable"
    assert "OLLAMA_HOST" in (found.hint or "")


def test_a_server_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Address, "local", False)
    with Replay(recording("version")) as replay:
        found = status(Address(port=replay.port))
    assert found.state == "ready"
    assert "how much memory it has is not known" in (found.why or "")


def test_the_cloud_is_no_server_of_ones_own() -> None:
    found = status(Address(scheme="https", host="ollama.com", port=443))
    assert found.state == "unusable"
    assert "cloud" in (found.why or "")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "freebsd13"])
def test_the_official_way_to_install_it(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect.sys, "platform", platform)
    assert "https://ollama.com/download" in detect.install_hint()
