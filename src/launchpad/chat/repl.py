"""The terminal chat: questions in, streamed answers out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import nullcontext
from typing import TextIO

from launchpad.chat.attachments import Attachments
from launchpad.chat.commands import COMMANDS, Engines, is_command, run_command
from launchpad.chat.delta import Delta
from launchpad.chat.modes import signals_leave, terminal_restored
from launchpad.chat.reader import Names, Reader, make_reader
from launchpad.chat.session import Session
from launchpad.chat.stats import stats_line
from launchpad.chat.terminal import DIM, PLAIN, can_style, wrapped, write_text
from launchpad.chat.transcript import list_sessions
from launchpad.chat.view import AnswerView
from launchpad.errors import EngineError, LaunchpadError

LEFT_BY_INTERRUPT = 130
READER_GONE = 141
TERMINAL_GONE = 129


class Repl:
    """A conversation at a terminal. Answers go to `out` (stdout), reasoning, figures and errors to `err` (stderr).

    `alive` tells whether the engine still runs: a chat with a dead engine ends with `EngineError`. `renewed` is called
    before (True) and after (False) a question that failed, and tells whether there is a new engine in its place.
    `engines` gets other ones for /model and /context.
    """

    def __init__(
        self,
        session: Session,
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        alive: Callable[[], bool] = lambda: True,
        reader: Reader | None = None,
        thoughts: bool = True,
        renewed: Callable[[bool], bool] = lambda before: False,
        engines: Engines | None = None,
    ) -> None:
        self.session = session
        self.thoughts = thoughts
        self.markdown = True
        self.attachments = Attachments()
        self.engines = engines
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._alive = alive
        self._renewed = renewed
        self._reader = reader
        self._leaving = False

    def run(self) -> int:
        """Chat until the user leaves. Returns the exit code: 0, 130 after Ctrl-C twice, 129 or 141 if the terminal or
        the reader of `out` is gone. Terminal modes are restored, also when a signal ends the chat.
        """
        with terminal_restored(), signals_leave():
            self._reader = self._reader or make_reader(self._out, self._err, _choices(), self._names())
            self._greet()
            try:
                return self._loop(self._reader)
            except BrokenPipeError:
                return READER_GONE
            except OSError:
                return TERMINAL_GONE

    def say(self, text: str) -> None:
        """Tell the user something that is not an answer."""
        start, end = (DIM, PLAIN) if can_style(self._err) else ("", "")
        write_text(self._err, f"{start}{wrapped(self._err, text)}{end}\n")
        self._err.flush()

    def answer(self, deltas: Generator[Delta]) -> None:
        """Show an answer and its figures. Ctrl-C stops it; what came is kept."""
        tty = self._out.isatty()
        view = AnswerView(self._out, self._err, tty=tty, thoughts=self.thoughts, markdown=self.markdown)
        try:
            with self._reader.paused() if self._reader else nullcontext():
                view.show(deltas)
        except KeyboardInterrupt:
            self.say("(stopped)")
        else:
            self._figures()

    def leave(self) -> None:
        """End the chat after this turn."""
        self._leaving = True

    def _loop(self, reader: Reader) -> int:
        interrupted = False
        while not self._leaving:
            try:
                line = reader.read()
            except EOFError:
                return 0
            except KeyboardInterrupt:
                if interrupted and not reader.interrupted_text():
                    return LEFT_BY_INTERRUPT
                interrupted = not reader.interrupted_text()
                if interrupted:
                    self.say("Ctrl-C again or Ctrl-D leaves.")
                continue
            interrupted = False
            self._turn(line)
        return 0

    def _turn(self, line: str) -> None:
        if not line.strip():
            return
        try:
            if is_command(line):
                run_command(self, line.rstrip())
            else:
                self._renewed(True)
                self.answer(self.session.ask(*self.attachments.question(line)))
        except KeyboardInterrupt:
            pass  # it came while nothing was going on that could be stopped
        except LaunchpadError as error:
            self.say(str(error))
            # The engine may be about to die only where a question broke off: nobody waits after a typing mistake.
            if (error.retryable or not self._alive()) and self._renewed(False):
                self.say("What was said is kept; /retry asks again.")
            elif not self._alive():
                raise EngineError(
                    "The engine died.",
                    why=error.what,
                    hint="What was said is kept; start the chat again to go on.",
                ) from error

    def _figures(self) -> None:
        stats = self.session.last
        if stats is None:
            return
        for line in (*stats.notices, stats_line(stats)):
            if line:
                self.say(line)

    def _names(self) -> Names:
        models = self.engines.names if self.engines is not None else tuple
        return {"SESSION": list_sessions, "MODEL": models}

    def _greet(self) -> None:
        if self.session.resumed:
            self.say(f"Going on with session {self.session.id}: {len(self.session.messages)} messages.")
        self.say("/help lists the commands, Ctrl-D leaves.")


def _choices() -> list[tuple[str, tuple[str, ...], str]]:
    return [(command.name, command.words, command.meaning) for command in COMMANDS]
