"""Scripts and their rows, from files."""

from __future__ import annotations

import csv
import glob
import hashlib
import json
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launchpad.errors import RefusedError, UsageError
from launchpad.script.document import MAX_BYTES, Node, parse_yaml, read_text
from launchpad.script.model import Script
from launchpad.script.parse import first_error, parse_script
from launchpad.script.problems import Problem

SUFFIXES = (".prompt.yml", ".prompt.yaml", ".prompt.json")
MAX_ROW = 16 << 20  # bytes of one row or file that a case reads
csv.field_size_limit(MAX_ROW)


def is_script(path: str) -> bool:
    """True for a name that scripts have."""
    return path.lower().endswith(SUFFIXES)


def load_script(path: str | Path) -> Script:
    """The script at `path`. Raises `UsageError` with line and column for everything that is wrong with it."""
    script, problems = examine(path)
    if script is None:
        raise first_error(problems, str(path))
    return script


def examine(path: str | Path) -> tuple[Script | None, list[Problem]]:
    """The script and what is wrong or odd with it. Raises `UsageError` for what cannot be read at all."""
    path = Path(path)
    data = _read(path, MAX_BYTES + 1)
    text = read_text(data, str(path))
    root = _json_root(text, str(path)) if path.suffix == ".json" else parse_yaml(text, str(path))
    return parse_script(root, path=str(path), sha256=hashlib.sha256(data).hexdigest())


def find_scripts(places: Sequence[str]) -> list[Path]:
    """The scripts that `places` name: files as they are, folders searched. Raises `UsageError` when there are none."""
    found: list[Path] = []
    for place in places or ["."]:
        path = Path(place)
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if is_script(each.name) and each.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(
                f"There is no {place}.", why="No file or folder has that name.", hint="Check the path."
            )
    if not found:
        raise UsageError(
            "There is no script.",
            why=f"No file in {', '.join(places or ['.'])} ends in {SUFFIXES[0]}.",
            hint="Scripts are named like triage.prompt.yml.",
        )
    return list(dict.fromkeys(found))


def rows_of(script: Script, *, allow_path: bool = False) -> Generator[Mapping[str, Any]]:
    """The rows of a script, one after the other, so that any number of them fits into memory.

    A script without data has one empty row. Raises `UsageError` for rows that cannot be read, `RefusedError` for files
    outside the script's folder, unless `allow_path`.
    """
    if script.cases is None:
        yield from script.rows or ({},)
        return
    reader = {"csv": _csv_rows, "jsonl": _jsonl_rows, "glob": _glob_rows}[script.cases.kind]
    yield from reader(script, script.cases.place, allow_path)


def inside(script: Script, place: str, *, allow_path: bool) -> Path:
    """`place` as a path, relative to the script's folder. Raises `RefusedError` when it leads out of there."""
    folder = Path(script.path or ".").resolve().parent if script.path else Path.cwd()
    path = (folder / place).resolve()
    if not allow_path and not path.is_relative_to(folder):
        raise RefusedError(
            f"{place} is refused.",
            why=f"It lies outside the script's folder {folder}.",
            hint="Allow it: --allow-path.",
        )
    return path


def _read(path: Path, limit: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not path.is_file():
                raise UsageError(
                    f"{path} is no file.", why="Scripts are read from files.", hint="Check the path."
                )
            return file.read(limit)
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", why=error.strerror, hint="Check the path.") from error


def _json_root(text: str, label: str) -> Node:
    try:
        found = json.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        where = f"{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else "1:1"
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise UsageError(f"{label}:{where}: not valid JSON.", why=f"{why}.", hint="Mend it there.") from error
    except RecursionError as error:
        raise UsageError(
            f"{label}: nested too deep.", why="It cannot be read safely.", hint="Write it plainly."
        ) from error
    return _nodes(found)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _nodes(value: Any) -> Node:
    if isinstance(value, dict):
        value = {key: _nodes(item) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_nodes(item) for item in value]
    return Node(value, 1, 1)


def _csv_rows(script: Script, place: str, allow_path: bool) -> Iterator[Mapping[str, Any]]:
    path = inside(script, place, allow_path=allow_path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise _bad_row(path, reader.line_num, "it has more or fewer fields than the header")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path} cannot be read.", why=str(error), hint="It must be CSV in UTF-8."
        ) from error


def _jsonl_rows(script: Script, place: str, allow_path: bool) -> Iterator[Mapping[str, Any]]:
    path = inside(script, place, allow_path=allow_path)
    for number, row in json_lines(path):
        if not isinstance(row, dict):
            raise _bad_row(path, number, "it is no JSON object")
        yield row


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and value of each line that is not blank. Raises `UsageError`."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_ROW):
                number += 1
                if line.strip():
                    yield number, json.loads(line)
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", why=error.strerror, hint="Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise _bad_row(path, number, f"it is not JSON: {error}") from error


def _glob_rows(script: Script, place: str, allow_path: bool) -> Iterator[Mapping[str, Any]]:
    base = inside(script, ".", allow_path=True)
    # Not Path.glob: it takes no pattern that starts with a slash or leads upwards, which --allow-path permits.
    paths = sorted(glob.glob(place, root_dir=base, recursive=True))  # noqa: PTH207
    found = [path for path in paths if (base / path).is_file()]
    if not found:
        raise UsageError(
            f"No file is named like {place}.", why=f"Looked in {base}.", hint="Check cases.glob."
        )
    for each in found:
        path = inside(script, each, allow_path=allow_path)
        yield {"path": each, "stem": path.stem, "text": text_file(path)}


def text_file(path: Path) -> str:
    """The text of a file. Raises `UsageError` for what is no UTF-8 text of at most 16 MiB."""
    data = _read(path, MAX_ROW + 1)
    if len(data) > MAX_ROW:
        raise UsageError(f"{path} is too large.", why=f"The limit is {MAX_ROW:,} bytes.", hint="Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text.", why=f"Byte {error.start} is wrong.", hint="Convert it."
        ) from error


def _bad_row(path: Path, number: int, why: str) -> UsageError:
    return UsageError(f"{path}:{number}: a bad row.", why=f"In that line, {why}.", hint="Mend the line.")
