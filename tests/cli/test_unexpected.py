"""What no part of launchpad expected is told as what it is: a limit, a full disk, a closed stream, or a mistake."""

from __future__ import annotations

import errno
import os

import pytest

from launchpad.cli import _run
from launchpad.cli.root import cli
from launchpad.cli.streams import Unwritten
from launchpad.cli.unexpected import explain


def _system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "resource"),
    [
        (MemoryError(), "memory"),
        (_system(errno.ENOMEM), "memory"),
        (_system(errno.EAGAIN), "processes or threads"),
        (RuntimeError("can't start new thread"), "processes or threads"),
        (_system(errno.EMFILE), "open files"),
    ],
)
def test_a_limit_is_no_mistake_of_launchpad(error: Exception, resource: str) -> None:
    told = explain(error)
    assert told.what == f"The system has no more {resource} for launchpad."
    assert type(error).__name__ in str(told.why)
    assert "ulimit -a" in str(told.hint)
    assert told.exit_code == 5


@pytest.mark.parametrize(
    ("error", "what", "code"),
    [
        (_system(errno.ENOSPC), "The disk is full", 4),
        (OSError(errno.EIO, "Input/output error", "a/b"), "The system refused: a/b", 5),
        (Unwritten(errno.EAGAIN, "Resource temporarily unavailable"), "The output could not be written.", 6),
        (RuntimeError("no thread of mine"), "launchpad made a mistake.", 70),
    ],
)
def test_what_else_it_is(error: Exception, what: str, code: int) -> None:
    told = explain(error)
    assert (told.what, told.exit_code) == (what, code)


def test_a_command_that_meets_a_limit_ends_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(cli, "invoke", refused)
    assert _run(["recommend"]) == 5
    assert "no more processes or threads" in capsys.readouterr().err
