"""Where the terminal chat's questions come from: an editor on good terminals, readline or plain lines on others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from launchpad.chat.modes import typing_hidden
from launchpad.paths import state_dir

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

PROMPT = ">>> "
CONTINUATION = "... "
MIN_COLUMNS = 12  # the editor shows nothing when there are fewer than it needs

Choice = tuple[str, tuple[str, ...], str]  # command, its possible arguments, one line of help
Names = Mapping[str, Callable[[], Sequence[str]]]  # what an argument such as SESSION can be


class Reader(Protocol):
    """Reads one question. Raises `EOFError` at the end, `KeyboardInterrupt` on Ctrl-C."""

    def read(self) -> str:
        """The next question, which may have several lines."""
        ...

    def interrupted_text(self) -> bool:
        """After a Ctrl-C: there was something on the line, which is gone now."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """While something else is on the screen: nothing that is typed shows, and nothing is lost."""
        ...


class PlainReader:
    """The terminal's own line editing: works everywhere, also where nothing else has room."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen

    def read(self) -> str:
        self._screen.write(PROMPT)
        self._screen.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            self._screen.write("\n")
            raise
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def interrupted_text(self) -> bool:
        return False

    def paused(self) -> AbstractContextManager[None]:
        return typing_hidden(by_lines=True)


class EditorReader:
    """Editing with history, completion and several lines (Alt-Enter, or paste)."""

    def __init__(self, screen: TextIO, choices: Sequence[Choice], names: Names) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.output import create_output

        self._session: PromptSession[str] = PromptSession(
            message=PROMPT,
            prompt_continuation=CONTINUATION,
            multiline=True,
            key_bindings=_bindings(),
            completer=_completer(choices, names),
            history=_history(state_dir() / "chat-history"),
            enable_suspend=True,
            reserve_space_for_menu=4,
            output=create_output(stdout=screen),
        )

    def read(self) -> str:
        return self._session.prompt()

    def interrupted_text(self) -> bool:
        return bool(self._session.default_buffer.text)

    def paused(self) -> AbstractContextManager[None]:
        return typing_hidden(by_lines=False)


def make_reader(out: TextIO, err: TextIO, choices: Sequence[Choice], names: Names) -> Reader:
    """The best reader for this terminal; the prompt goes to whichever of `out` and `err` is one."""
    screen = out if out.isatty() else err
    if _too_narrow(screen):
        return PlainReader(screen)
    if os.name != "posix" or os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        return EditorReader(screen, choices, names)
    from launchpad.chat import lines

    if not lines.usable():
        return PlainReader(screen)
    return lines.LineReader(PROMPT, _completer(choices, names), _history(state_dir() / "chat-history"))


def _too_narrow(screen: TextIO) -> bool:
    """True if the editor would have no room. Some pseudo-terminals say 0 for an unknown width."""
    try:
        return 0 < os.get_terminal_size(screen.fileno()).columns < MIN_COLUMNS
    except (OSError, ValueError):
        return False


def _bindings() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    def newline(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def _history(path: Path) -> History:
    """The questions of earlier chats, readable by their owner only; in memory where nothing can be written."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def _completer(choices: Sequence[Choice], names: Names) -> Completer:
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
    from prompt_toolkit.document import Document

    known: dict[str, Sequence[str]] = {}  # asked for once: it may take a moment

    def possible(word: str) -> Sequence[str]:
        if not word.isupper():
            return (word,)
        if word not in known and word in names:
            known[word] = names[word]()
        return known.get(word, ())

    class CommandCompleter(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
            text = document.text_before_cursor
            if not text.startswith("/") or "\n" in text:
                return
            name, space, argument = text.partition(" ")
            if not space:
                for command, _, meaning in choices:
                    if command.startswith(name):
                        yield Completion(command, start_position=-len(name), display_meta=meaning)
                return
            words = next((words for command, words, _ in choices if command == name), ())
            for word in (found for each in words for found in possible(each)):
                if word.startswith(argument):
                    yield Completion(word, start_position=-len(argument))
            if "FILE" in words:
                yield from PathCompleter(expanduser=True).get_completions(Document(argument), complete_event)

    return CommandCompleter()
