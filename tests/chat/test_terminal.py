"""When text may be dim, and how a stream that fails is left."""

from __future__ import annotations

import io

import pytest

from launchpad.chat.terminal import Writer, can_style
from launchpad.errors import AnswerError


class SimulatedTerminal(io.StringIO):
    """Says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class SimulatedFullDisk(io.StringIO):
    """Refuses every flush."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("environ", "terminal", "pipe"),
    [
        ({"TERM": "xterm"}, True, False),
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
    ],
)
def test_who_gets_dim_text(environ: dict[str, str], terminal: bool, pipe: bool) -> None:
    assert can_style(SimulatedTerminal(), environ) == terminal
    assert can_style(io.StringIO(), environ) == pipe


def test_a_joiner_at_the_very_end_is_written() -> None:
    stream = io.StringIO()
    writer = Writer(stream, sanitize=True)
    writer.write("é\u200d")
    writer.end()
    assert stream.getvalue() == "é\\u{200D}\n"


def test_nothing_written_is_nothing_ended() -> None:
    stream = io.StringIO()
    writer = Writer(stream, sanitize=True, before="<", after=">")
    writer.write("\n")
    writer.end()
    assert stream.getvalue() == ""


def test_a_needed_stream_fails_once() -> None:
    writer = Writer(SimulatedFullDisk(), sanitize=False)
    with pytest.raises(AnswerError, match="could not be written"):
        writer.write("a\n b")
    writer.end()


def test_a_stream_that_is_not_needed_fails_never() -> None:
    writer = Writer(SimulatedFullDisk(), sanitize=False, needed=False)
    writer.write("a\n b")
    writer.end()
    assert writer.broken
