"""Standard input as part of the prompt: every kind of it, and never a silent hang."""

from __future__ import annotations

import os
import pty
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.chat import stdin
from launchpad.chat.stdin import MAX_STDIN, StdinKind, combine_prompt, read_stdin, stdin_kind, wants_stdin
from launchpad.errors import UsageError


@pytest.mark.parametrize(
    ("argument", "piped", "prompt"),
    [
        ("explain", "data\n", "explain\n\ndata"),
        ("explain", None, "explain"),
        ("explain", "", "explain"),
        ("explain", "\n", "explain"),
        (None, "data\n\n", "data"),
        ("-", "data", "data"),
        (None, None, ""),
        ("a", "\n  indented", "a\n\n\n  indented"),
    ],
)
def test_the_argument_comes_first(argument: str | None, piped: str | None, prompt: str) -> None:
    assert combine_prompt(argument, piped) == prompt


@pytest.mark.parametrize(
    ("argument", "kinds"),
    [("prompt", {"file", "pipe"}), (None, {"file", "pipe", "other"}), ("-", {"file", "pipe", "other"})],
)
def test_the_rule(argument: str | None, kinds: set[StdinKind]) -> None:
    every: tuple[StdinKind, ...] = ("terminal", "file", "pipe", "other", "closed")
    assert {kind for kind in every if wants_stdin(argument, kind)} == kinds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (writing, reading):
        try:
            os.close(fd)
        except OSError:
            continue


def test_kinds(tmp_path: Path, pipe: tuple[int, int]) -> None:
    (tmp_path / "file").touch()
    master, slave = pty.openpty()
    left, right = socket.socketpair()
    file = os.open(tmp_path / "file", os.O_RDONLY)
    null = os.open(os.devnull, os.O_RDONLY)
    kinds = [stdin_kind(fd) for fd in (slave, file, pipe[0], left.fileno(), null)]
    assert kinds == ["terminal", "file", "pipe", "other", "other"]
    for fd in (master, slave, file, null):
        os.close(fd)
    left.close()
    right.close()
    assert stdin_kind(file) == "closed"
    assert read_stdin(None, fd=file) is None


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("\ufeffcafé\n" * 2)
    with (tmp_path / "file").open("rb") as file:
        assert read_stdin("explain", fd=file.fileno()) == "café\n\ufeffcafé\n"


def test_a_slow_pipe_is_read_to_its_end(pipe: tuple[int, int]) -> None:
    def write() -> None:
        os.write(pipe[1], "caf\u00e9".encode()[:-1])
        os.write(pipe[1], "\u00e9".encode()[-1:])
        os.close(pipe[1])

    writer = threading.Thread(target=write)
    writer.start()
    assert read_stdin("explain", fd=pipe[0]) == "café"
    writer.join()


def test_an_empty_pipe(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    assert read_stdin("explain", fd=pipe[0]) == ""


def test_a_silent_pipe_next_to_a_prompt_is_an_error_after_a_notice(pipe: tuple[int, int]) -> None:
    notices: list[str] = []
    with pytest.raises(UsageError, match=r"nothing came for 0\.05 s"):
        read_stdin("explain", fd=pipe[0], notice=notices.append, patience=0.05)
    assert notices == ["Waiting for standard input (use < /dev/null if there is none)."]
    os.close(pipe[1])  # ends the waiting thread


@pytest.mark.parametrize("argument", [None, "-"])
def test_a_silent_pipe_that_is_the_prompt_is_waited_for(
    pipe: tuple[int, int], argument: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdin, "NOTICE_SECONDS", 0.01)

    def arrives(notice: str) -> None:
        os.write(pipe[1], b"late")
        os.close(pipe[1])

    assert read_stdin(argument, fd=pipe[0], notice=arrives, patience=0.0) == "late"


def test_bytes_that_are_no_text(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"caf\xe9")
    os.close(pipe[1])
    with pytest.raises(UsageError) as caught:
        read_stdin(None, fd=pipe[0])
    assert caught.value.why == "Byte 3 is 0xe9."


def test_another_encoding(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"caf\xe9")
    os.close(pipe[1])
    assert read_stdin(None, fd=pipe[0], encoding="latin-1") == "café"


def test_an_unknown_encoding(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    os.close(pipe[1])
    with pytest.raises(UsageError, match="klingon"):
        read_stdin(None, fd=pipe[0], encoding="klingon")


def test_too_much(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("w+b") as file:
        file.truncate(MAX_STDIN + 1)
        with pytest.raises(UsageError, match="longer than 64 MiB"):
            read_stdin(None, fd=file.fileno())


def test_a_folder(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    assert read_stdin(None, fd=fd) == ""
    os.close(fd)
