"""Questions on a terminal that cannot move its cursor (`TERM=dumb`): the system's own readline, with history and completion."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from launchpad.chat.modes import typing_hidden

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History


def usable() -> bool:
    """Whether there is a readline, and the terminal is both what it reads and what it writes."""
    try:
        import readline  # noqa: F401  # Windows has none
    except ImportError:
        return False
    try:
        return (sys.stdin.fileno(), sys.stdout.fileno()) == (0, 1) and sys.stdout.isatty()
    except (OSError, ValueError):
        return False


class LineReader:
    """One line a question. It echoes only where the terminal does: an editor's shell shows what it sends itself."""

    def __init__(self, prompt: str, completer: Completer, history: History) -> None:
        import readline

        self._prompt = prompt
        self._completer = completer
        self._history = history
        self._found: Sequence[str] = ()
        readline.set_auto_history(False)
        readline.set_completer_delims(" ")
        readline.set_completer(self._complete)
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste off")  # its marks are escape sequences
        for question in reversed(list(history.load_history_strings())):
            if "\n" not in question:
                readline.add_history(question)

    def read(self) -> str:
        """See `Reader`."""
        import readline

        try:
            line = input(self._prompt)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            raise
        if line.strip():
            readline.add_history(line)
            self._history.store_string(line)
        return line

    def interrupted_text(self) -> bool:
        """See `Reader`. A dumb terminal keeps what was typed; one Ctrl-C warns, the next leaves."""
        return False

    def paused(self) -> AbstractContextManager[None]:
        """See `Reader`."""
        return typing_hidden(by_lines=True)

    def _complete(self, word: str, number: int) -> str | None:
        """readline's question: the completion of that number for the word at the cursor."""
        import readline

        if number == 0:
            self._found = self._completions(readline.get_line_buffer()[: readline.get_endidx()])
        start = readline.get_begidx()
        return self._found[number][start:] if number < len(self._found) else None

    def _completions(self, text: str) -> list[str]:
        """The whole line before the cursor, as each completion makes it."""
        from prompt_toolkit.completion import CompleteEvent
        from prompt_toolkit.document import Document

        found = self._completer.get_completions(Document(text), CompleteEvent(completion_requested=True))
        return [text[: len(text) + each.start_position] + each.text for each in found]
