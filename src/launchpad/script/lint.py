"""Looking through script files without running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from launchpad.errors import LaunchpadError
from launchpad.script.judges import BUILT_IN
from launchpad.script.load import examine, find_scripts, rows_of
from launchpad.script.model import Script
from launchpad.script.parse import literal_names
from launchpad.script.problems import Problem
from launchpad.script.variables import names_in


class Lint(Struct, frozen=True, kw_only=True):
    """What was found in how many files; each problem with its file."""

    files: int
    problems: tuple[tuple[str, Problem], ...]

    @property
    def errors(self) -> int:
        """Problems that make a file unusable."""
        return sum(problem.severity == "error" for _, problem in self.problems)


def lint_files(places: Sequence[str], given: Mapping[str, Any]) -> Lint:
    """Look through the scripts that `places` name. Raises `UsageError` when there are none."""
    paths = find_scripts(places)
    problems = [(str(path), problem) for path in paths for problem in _of_file(path, given)]
    return Lint(files=len(paths), problems=tuple(problems))


def _of_file(path: Path, given: Mapping[str, Any]) -> list[Problem]:
    try:
        script, problems = examine(path)
    except LaunchpadError as error:
        return [_unreadable(path, error)]
    if script is not None:
        problems = [*problems, *_oddities(script, given)]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _unreadable(path: Path, error: LaunchpadError) -> Problem:
    """A file that could not be parsed: its message begins with path, line and column."""
    rest = error.what.removeprefix(f"{path}:")
    line, _, tail = rest.partition(":")
    column, _, message = tail.partition(":")
    where = (int(line), int(column), message) if line.isdigit() and column.isdigit() else None
    if where is None:
        where = (int(line), 1, tail) if line.isdigit() else (1, 1, error.what)
    text = f"{where[2].strip().rstrip('.')}: {error.why}" if error.why else where[2].strip()
    return Problem(
        severity="error", line=where[0], column=where[1], message=text.rstrip("."), hint=error.hint
    )


def _oddities(script: Script, given: Mapping[str, Any]) -> list[Problem]:
    """What is allowed and probably not meant."""
    found = []
    unknown = literal_names(script, given)
    for line, name, judge in _judges_without(script, unknown):
        found.append(
            _warning(
                line,
                f"the judge {judge} reads {{{{{name}}}}}, and nothing declares it",
                f"Add a column {name} to testData, or declare it in vars.",
            )
        )
    for line, names in _places(script, unknown):
        braced = ", ".join(f"{{{{{name}}}}}" for name in names)
        verb, them = ("stays as it is", "it") if len(names) == 1 else ("stay as they are", "them")
        found.append(
            _warning(
                line,
                f"{braced} {verb} written: nothing declares {them}",
                f"Declare {them} in vars, or pass --var {names[0]}=…",
            )
        )
    used = names_in(script.texts())
    found += [
        _warning(1, f"the variable {variable.name} is never used")
        for variable in script.variables
        if variable.name not in used
    ]
    try:
        names = [row["id"] for row in script.rows if "id" in row]
        if len(set(map(str, names))) < len(names):
            found.append(_warning(1, "two rows of testData have the same id"))
        if script.cases is not None:
            next(rows_of(script), None)
    except LaunchpadError as error:
        found.append(_warning(1, f"the cases cannot be read: {error.what}", error.hint))
    return found


def _judges_without(script: Script, unknown: set[str]) -> list[tuple[int, str, str]]:
    """Where one of our own judges is to read what the file does not have: line, name, judge."""
    names = {judge: name for name, judge in BUILT_IN.items()}
    return [
        (check.line or 1, name, names[check.judge])
        for check in script.checks()
        if check.judge in names
        for name in sorted(unknown & names_in([check.judge.prompt]))
    ]


def _places(script: Script, unknown: set[str]) -> list[tuple[int, list[str]]]:
    """The messages and checks that hold unknown names, and at line 1 the output file's.

    What only our own judges name does not stand in the file.
    """
    own = [check for check in script.checks() if check.judge not in BUILT_IN.values()]
    texts = [(entry.line, [entry.content]) for entry in script.entries]
    texts += [(check.line or 1, check.texts()) for check in own]
    if script.output:
        texts.append((1, [script.output.file, script.output.template or ""]))
    found, left = [], set(unknown)
    for line, each in texts:
        if names := sorted(left & names_in(each)):
            found.append((line, names))
            left -= set(names)
    return found


def _warning(line: int, message: str, hint: str | None = None) -> Problem:
    return Problem(severity="warning", line=line, column=1, message=message, hint=hint)
