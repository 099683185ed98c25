"""One prompt, one answer: nothing but the answer on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, TextIO

from msgspec.structs import replace

from launchpad.chat.session import Session
from launchpad.chat.stats import AnswerStats
from launchpad.chat.terminal import write_text
from launchpad.chat.view import AnswerView
from launchpad.errors import AnswerError

Think = Literal["show", "hide", "off"]


def answer(
    session: Session,
    prompt: str,
    *,
    stdout: TextIO,
    stderr: TextIO,
    tty: bool,
    think: Think = "show",
    images: Sequence[str] = (),
) -> AnswerStats:
    """Ask, and write the answer as it comes, ending with exactly one newline.

    `tty` says that stdout is a terminal: then escape sequences are shown, not obeyed; a pipe gets the model's own bytes,
    flushed by lines. Reasoning goes to stderr (`show`), nowhere (`hide`), or is switched off where the model can (`off`).

    Raises `AnswerError` when the answer is cut, empty or cannot be written (what came is written first);
    `BrokenPipeError` when the reader went away (exit code 141) and `KeyboardInterrupt` (130): the engine was stopped.
    """
    if think == "off":
        session.options = replace(session.options, think=False)
    view = AnswerView(stdout, stderr, tty=tty, thoughts=think == "show", markdown=True)
    view.show(session.ask(prompt, images))
    stats = session.last
    assert stats is not None  # ask() sets it before it ends
    with suppress(OSError):  # nobody reads our warnings: no reason to fail
        write_text(stderr, "".join(f"{notice}\n" for notice in stats.notices))
    if not view.answered:
        raise _empty(stats)
    return stats


def _empty(stats: AnswerStats) -> AnswerError:
    if stats.finish_reason == "length":
        return AnswerError(
            "The model gave no answer.",
            why="It used all the tokens it was allowed for reasoning.",
            hint="Allow more (--max-tokens), or switch reasoning off (--think off).",
        )
    return AnswerError(
        "The model gave no answer.", why=f"It ended at once ({stats.finish_reason}).", retryable=True
    )
