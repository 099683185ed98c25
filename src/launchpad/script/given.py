"""The variables of a run: from the command line, the environment, the file's defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launchpad.errors import UsageError
from launchpad.script.load import text_file
from launchpad.script.model import Script
from launchpad.script.variables import names_in


def parse_given(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` and `name=@file`. Raises `UsageError`."""
    given = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.replace("-", "_").isidentifier():
            raise UsageError(
                f"{pair!r} sets no variable.",
                why="It has no name and =.",
                hint="--var name=value, or name=@file.",
            )
        given[name] = text_file(Path(value[1:])) if value.startswith("@") else value
    return given


def initial_values(
    script: Script, given: Mapping[str, Any], environ: Mapping[str, str], row_names: set[str]
) -> dict[str, Any]:
    """The values of the declared names. `row_names` are supplied by rows. Raises `UsageError` for what is missing."""
    values: dict[str, Any] = {}
    for variable in script.variables:
        if variable.name in given:
            continue
        if variable.env and variable.env in environ:
            values[variable.name] = environ[variable.env]
        elif variable.default is not None:
            values[variable.name] = variable.default
        elif variable.required and variable.name not in row_names:
            raise _missing(script, variable.name)
        elif variable.name not in row_names:
            values[variable.name] = ""
    known = {**values, **given}
    if "stdin" not in known and "stdin" not in row_names and "stdin" in names_in(script.texts()):
        raise _missing(script, "stdin")
    return known


def _missing(script: Script, name: str) -> UsageError:
    give = f"Give one: --var {name}=… or --var {name}=@file"
    return UsageError(
        f"The variable {name} has no value.",
        why=f"{script.path or 'The script'} requires it.",
        hint="Pipe something in, or declare it in vars with a default." if name == "stdin" else give,
    )
