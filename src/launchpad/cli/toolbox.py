"""Tools that the user named on the command line; each call is shown and agreed to, or allowed as a whole."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.errors import RefusedError, UsageError
from launchpad.tools import Tool, answer_call

if TYPE_CHECKING:
    from launchpad.chat.delta import ToolCall

COMMAND_SECONDS = 60.0


class NamedTools:
    """A `session.Toolbox`. `tell` shows a line; `agrees` asks whether a call may be made."""

    def __init__(
        self, tools: Sequence[Tool], tell: Callable[[str], None], agrees: Callable[[str], bool]
    ) -> None:
        self._tools = tools
        self._tell = tell
        self._agrees = agrees

    @property
    def described(self) -> tuple[Mapping[str, Any], ...]:
        """See `session.Toolbox`."""
        return tuple(tool.described for tool in self._tools)

    def answer(self, call: ToolCall) -> str:
        """See `session.Toolbox`."""
        shown = f"{call.name} {json.dumps(dict(call.arguments), ensure_ascii=False)}"
        if any(tool.name == call.name for tool in self._tools) and not self._agrees(shown):
            self._tell(f"not called: {shown}")
            return json.dumps({"error": "the user did not allow this call"})
        self._tell(f"called: {shown}")
        return answer_call(self._tools, call)


def toolbox(
    functions: Sequence[str], commands: Sequence[str], *, yes: bool, tell: Callable[[str], None]
) -> NamedTools | None:
    """The tools that were named, None without any. Raises `UsageError`, and `RefusedError` where nobody can agree."""
    tools = [*map(_function, functions), *map(_command, commands)]
    if not tools:
        return None
    names = [tool.name for tool in tools]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(
            f"Two tools are named {double}.", why="A model tells them apart by name.", hint="Rename one."
        )
    if yes:
        return NamedTools(tools, tell, lambda shown: True)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(
            "Tools need somebody who agrees to each call.",
            why="There is no terminal to ask on.",
            hint="--yes-tools allows all calls of the tools that you named.",
        )
    return NamedTools(tools, tell, _asked(tell))


def _asked(tell: Callable[[str], None]) -> Callable[[str], bool]:
    from launchpad.chat.modes import key_pressed

    def agrees(shown: str) -> bool:
        def ask() -> None:
            tell(f"The model wants to call: {shown}")
            tell("y allows it, any other key does not.")

        return key_pressed(ask) in ("y", "Y")

    return agrees


def _function(named: str) -> Tool:
    module, _, name = named.partition(":")
    if not (module and name):
        raise UsageError(
            f"{named!r} names no function.",
            why="A tool is MODULE:FUNCTION.",
            hint="Such as --tool mytools:weather",
        )
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: modules of the folder that the user is in
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise UsageError(
            f"The tool {named} cannot be loaded.",
            why=f"{type(error).__name__}: {error}",
            hint="It must be a function of a module that Python finds from this folder.",
        ) from error
    if not callable(found):
        raise UsageError(
            f"{named} is no function.", why=f"It is {type(found).__name__}.", hint="Name a function."
        )
    return Tool(found)


def _command(named: str) -> Tool:
    name, _, line = named.partition("=")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line!r} is no command.", why=str(error), hint="Check its quotes.") from error
    if not (name.isidentifier() and words):
        raise UsageError(
            f"{named!r} names no command.",
            why="A tool is NAME=COMMAND, and the name is like a variable's.",
            hint="Such as --tool-command 'today=date -I'",
        )

    def run(input: str = "") -> str:
        done = subprocess.run(
            words, input=input, capture_output=True, text=True, errors="replace", timeout=COMMAND_SECONDS
        )
        return (
            done.stdout
            if done.returncode == 0
            else f"exit code {done.returncode}: {done.stderr or done.stdout}"
        )

    run.__name__ = name
    run.__doc__ = f"Run `{line}` with `input` as its standard input, and return what it prints."
    return Tool(run)
