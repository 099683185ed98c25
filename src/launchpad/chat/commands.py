"""The slash commands of the terminal chat."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Protocol

import click
from msgspec import Struct
from msgspec.structs import replace

from launchpad.chat.attachments import Attachments, about_tokens, read_text
from launchpad.chat.delta import Delta
from launchpad.chat.export import as_markdown, as_openai_line, read_messages
from launchpad.chat.images import read_image
from launchpad.chat.session import Session
from launchpad.chat.stats import speed_text, stats_line
from launchpad.chat.transcript import list_sessions, session_path
from launchpad.errors import UsageError
from launchpad.sanitize import Sanitizer

_WIDE = 64  # columns that a list in two columns needs
_KEYS = ("Alt-Enter starts a new line.", "Ctrl-C stops an answer.", "Ctrl-D, or Ctrl-C twice, leaves.")
_COMMAND = re.compile(r"/[a-z?]*\Z")


class Engines(Protocol):
    """What gets another engine for the chat."""

    def change(self, session: Session, *, model: str | None = None, context: int | None = None) -> None:
        """Let another model, or one with another context, answer from here on. Raises `LaunchpadError`; then the chat
        goes on as before, if it can.
        """
        ...

    def names(self) -> Sequence[str]:
        """Models that can be asked for."""
        ...


class Chat(Protocol):
    """What a command may do to the chat."""

    session: Session
    thoughts: bool
    markdown: bool
    attachments: Attachments
    engines: Engines | None

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
    """One command. `words` are the possible arguments; those in capitals stand for any."""

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


def _model(chat: Chat, argument: str) -> None:
    if not argument:
        chat.say(f"{chat.session.server.model} answers.")
    else:
        _engines(chat, "/model").change(chat.session, model=argument)


def _tokens(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _context(chat: Chat, argument: str) -> None:
    context, last = chat.session.server.report.context, chat.session.last
    if not argument:
        used = f"{last.usage.total:,} of " if last is not None and last.usage is not None else ""
        chat.say(f"The context: {used}{_tokens(context)} tokens.")
        return
    number = argument.lower().removesuffix("k").replace(",", "").replace("_", "")
    if not number.isdecimal() or not (
        tokens := int(number) * (1024 if argument.lower().endswith("k") else 1)
    ):
        raise UsageError(
            "/context needs a number of tokens.", why=f"{argument!r} is none.", hint="Such as 16384 or 16k."
        )
    _engines(chat, "/context").change(chat.session, context=tokens)


def _engines(chat: Chat, name: str) -> Engines:
    if chat.engines is None:
        raise UsageError(
            f"{name} does not work here.",
            why="This chat has no engine of its own.",
            hint="Use `launchpad chat`.",
        )
    return chat.engines


def named_file(argument: str) -> Path:
    """The file of that name. A terminal quotes or escapes the name of a file that is dropped on it."""
    plain = os.path.expanduser(argument)  # noqa: PTH111  # pathlib's raises where there is no such person
    try:
        words = [] if os.path.exists(plain) else shlex.split(argument)  # noqa: PTH110  # pathlib's raises for long ones
    except ValueError:
        words = []
    return Path(os.path.expanduser(words[0]) if len(words) == 1 else plain)  # noqa: PTH111


def _image(chat: Chat, argument: str) -> None:
    if _dropped(chat, "/image", argument):
        return
    if not chat.session.sees:
        raise UsageError(
            f"{chat.session.server.model} takes no pictures.",
            why="Its engine says that it has no vision.",
            hint="/model switches to one that has; `launchpad models --needs vision` lists them.",
        )
    path = named_file(argument)
    chat.attachments.images.append(read_image(path))
    chat.say(f"{Sanitizer().feed(path.name)} goes along with the next question.")


def _file(chat: Chat, argument: str) -> None:
    if _dropped(chat, "/file", argument):
        return
    text = read_text(named_file(argument))
    chat.attachments.texts.append(text)
    tokens, context = about_tokens("".join(chat.attachments.texts)), chat.session.server.report.context
    of = f" of {context}" if context else ""
    chat.say(f"It goes along with the next question: about {tokens} tokens{of}.")
    if context and tokens > context:
        chat.say(
            f"That is more than the context holds. /context {2 * tokens} asks for more, /file off takes it back."
        )


def _dropped(chat: Chat, name: str, argument: str) -> bool:
    if argument == "off":
        chat.attachments.clear()
        chat.say("Nothing goes along with the next question.")
    elif not argument:
        raise UsageError(f"{name} needs the name of a file.", hint=f"{name} off takes back what is attached.")
    return argument == "off"


def _markdown(chat: Chat, argument: str) -> None:
    if argument not in ("on", "off"):
        raise UsageError("/markdown needs one of on, off.")
    chat.markdown = argument == "on"
    chat.say("Markdown is shown as it is meant." if chat.markdown else "Answers are shown as they come.")


def _load(chat: Chat, argument: str) -> None:
    if not argument:
        raise UsageError("/load needs a session or a file.", hint="`launchpad sessions` lists the sessions.")
    path = session_path(argument) if argument in list_sessions() else named_file(argument)
    messages = read_messages(path)
    chat.session.load(messages)
    chat.say(f"{len(messages)} messages are loaded; the chat goes on from there.")


def _edit(chat: Chat, argument: str) -> None:
    question = chat.session.last_question
    if question is None:
        raise UsageError(
            "There is no question to edit.", why="Nothing was asked yet.", hint="Ask something first."
        )
    try:
        text = click.edit(question, extension=".md")
    except click.ClickException as error:
        raise UsageError(
            "The editor failed.", why=error.message, hint="Set EDITOR to one that works."
        ) from error
    if text is None or text.strip() in ("", question.strip()):
        chat.say("Nothing was changed.")
        return
    chat.answer(chat.session.retry(text.strip()))


def _stats(chat: Chat, argument: str) -> None:
    session = chat.session
    report = session.server.report
    lines = [
        f"model     {session.server.model}",
        f"engine    {report.engine}",
        f"context   {_tokens(report.context)} tokens",
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
    path = named_file(argument)
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
    Command("/model", ("MODEL",), "let another model answer", _model),
    Command("/system", ("TEXT", "off"), "set, show or remove the system message", _system),
    Command("/context", ("TOKENS",), "show it, or restart with another", _context),
    Command("/think", ("on", "off", "show", "hide"), "reason or not; show it or not", _think),
    Command("/image", ("FILE", "off"), "attach a picture to the next question", _image),
    Command("/file", ("FILE", "off"), "attach a text to the next question", _file),
    Command("/save", ("FILE",), "save as Markdown or .jsonl", _save),
    Command("/load", ("SESSION", "FILE"), "go on from what was said elsewhere", _load),
    Command("/retry", (), "ask the last question again", _retry),
    Command("/edit", (), "edit the last question, ask again", _edit),
    Command("/markdown", ("on", "off"), "show Markdown as meant, or as it comes", _markdown),
    Command("/stats", (), "model, context, speeds", _stats),
    Command("/clear", (), "forget what was said", _clear),
    Command("/exit", (), "leave", _exit),
)
