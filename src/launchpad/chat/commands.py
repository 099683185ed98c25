"""The slash commands of the terminal chat."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from launchpad.chat.delta import Delta
from launchpad.chat.export import as_markdown, as_openai_line
from launchpad.chat.session import Session
from launchpad.chat.stats import speed_text, stats_line
from launchpad.chat.transcript import session_path
from launchpad.errors import UsageError
from launchpad.sanitize import Sanitizer

_WIDE = 64  # columns that a list in two columns needs
_KEYS = ("Alt-Enter starts a new line.", "Ctrl-C stops an answer.", "Ctrl-D, or Ctrl-C twice, leaves.")
_COMMAND = re.compile(r"/[a-z?]*\Z")


class Chat(Protocol):
    """What a command may do to the chat."""

    session: Session
    thoughts: bool

    def say(self, text: str) -> None:
        """Tell the user something that is not an answer."""
        ...

    def answer(self, deltas: Generator[Delta]) -> None:
        """Show an answer."""
        ...

    def leave(self) -> None:
        """End the chat after this command."""
        ...


class Command(Struct, frozen=True):
    """One command. `words` are the possible arguments; `("FILE",)` and `("TEXT",)` stand for any."""

    name: str
    words: tuple[str, ...]
    meaning: str
    run: Callable[[Chat, str], None]


def is_command(line: str) -> bool:
    """True for `/word …`. A path such as `/etc/hosts` is a question; so is anything after a leading space."""
    return bool(_COMMAND.match(line.split(maxsplit=1)[0])) if line.startswith("/") else False


def run_command(chat: Chat, line: str) -> None:
    """Run a command line. Raises `UsageError` for an unknown command or argument."""
    name, _, argument = line.partition(" ")
    argument = argument.strip()
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        raise UsageError(f"There is no command {name}.", hint=_suggestion(name))
    if argument and not command.words:
        raise UsageError(f"{name} takes no argument.")
    command.run(chat, argument)


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, [command.name for command in COMMANDS], n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else "/help lists the commands."


def _help(chat: Chat, argument: str) -> None:
    usages = [f"{command.name} {'|'.join(command.words)}".strip() for command in COMMANDS]
    width = max(map(len, usages))
    if shutil.get_terminal_size().columns >= _WIDE:
        lines = [
            f"{usage:{width}}  {command.meaning}" for usage, command in zip(usages, COMMANDS, strict=True)
        ]
    else:
        lines = [f"{usage}\n    {command.meaning}" for usage, command in zip(usages, COMMANDS, strict=True)]
    chat.say("\n".join((*lines, *_KEYS)))


def _system(chat: Chat, argument: str) -> None:
    if not argument:
        shown = Sanitizer().feed(chat.session.system or "")
        chat.say(shown or "There is no system message.")
        return
    chat.session.set_system("" if argument == "off" else argument)
    chat.say("The system message is removed." if argument == "off" else "The system message is set.")


def _think(chat: Chat, argument: str) -> None:
    match argument:
        case "on" | "off":
            chat.session.options = replace(chat.session.options, think=argument == "on")
            chat.say(
                f"The model is asked {'to reason first' if argument == 'on' else 'not to reason'}, if it can."
            )
        case "show" | "hide":
            chat.thoughts = argument == "show"
            chat.say("Reasoning is shown." if chat.thoughts else "Reasoning is hidden.")
        case _:
            raise UsageError("/think needs one of on, off, show, hide.")


def _stats(chat: Chat, argument: str) -> None:
    session = chat.session
    report = session.server.report
    lines = [
        f"model     {session.server.model}",
        f"engine    {report.engine}",
        f"context   {report.context if report.context is not None else 'unknown'} tokens",
        f"messages  {len(session.messages)}",
    ]
    if session.keeps:
        lines.append(f"saved in  {session_path(session.id)}")
    if session.last is not None:
        lines += [f"answer    {stats_line(session.last)}", *_timings(session)]
    chat.say("\n".join(lines))


def _timings(session: Session) -> list[str]:
    last = session.last
    if last is None or last.first_token is None:
        return []
    prefill = f", prompt read at {speed_text(last.prefill_speed)}" if last.prefill_speed else ""
    return [f"time      {last.seconds:.1f} s, first token after {last.first_token:.2f} s{prefill}"]


def _save(chat: Chat, argument: str) -> None:
    if not argument:
        raise UsageError(
            "/save needs a file name.", hint="FILE.md saves a page, FILE.jsonl a line for other tools."
        )
    path = Path(argument).expanduser()
    messages = chat.session.messages
    text = (
        as_openai_line(messages)
        if path.suffix == ".jsonl"
        else as_markdown(messages, chat.session.server.model)
    )
    try:
        with path.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already.", hint="Choose another name.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written.", why=error.strerror) from error
    chat.say(f"Saved to {path}.")


def _retry(chat: Chat, argument: str) -> None:
    chat.answer(chat.session.retry())


def _clear(chat: Chat, argument: str) -> None:
    chat.session.clear()
    chat.say("Forgotten. The system message stays." if chat.session.system else "Forgotten.")


def _exit(chat: Chat, argument: str) -> None:
    chat.leave()


COMMANDS = (
    Command("/help", (), "this list", _help),
    Command("/system", ("TEXT", "off"), "set, show or remove the system message", _system),
    Command("/think", ("on", "off", "show", "hide"), "reason or not; show it or not", _think),
    Command("/stats", (), "model, context, speeds", _stats),
    Command("/save", ("FILE",), "save as Markdown or .jsonl", _save),
    Command("/retry", (), "ask the last question again", _retry),
    Command("/clear", (), "forget what was said", _clear),
    Command("/exit", (), "leave", _exit),
)
