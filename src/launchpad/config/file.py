"""One TOML file of settings: read it without surprises, say on which line a key stands, change one line of it.

Editing changes the text and not a parsed copy, so comments, order and layout stay as their owner wrote them.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from launchpad.errors import ConfigError

MAX_BYTES = 1 << 20

_HEADER = re.compile(r"\s*\[\s*(?P<name>[^\[\]]+?)\s*\]\s*(?:#.*)?")
_ASSIGNMENT = re.compile(r"\s*(?P<name>[\w\"'-]+(?:\s*\.\s*[\w\"'-]+)*)\s*=")
# A value that ends on its line: what `replaced` and `removed` can change without understanding all of TOML.
_ONE_LINE = re.compile(
    r"""(?P<before>\s*[\w"'.\s-]+?\s*=\s*)
        (?P<value>"(?!"")(?:[^"\\]|\\.)*" | '(?!'')[^']*' | \[(?:[^\[\]#"']|"(?:[^"\\]|\\.)*"|'[^']*')*\] | [^\s#"'\[{][^#"'\[{]*?)
        (?P<after>\s*(?:\#.*)?)""",
    re.VERBOSE,
)


def read_text(path: Path) -> str | None:
    """The file's text, or None when there is no such file. Raises `ConfigError` for what is not a small text file."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise _unusable(path, "It is not a regular file.")
        if info.st_size > MAX_BYTES:
            raise _unusable(path, f"It has {info.st_size} bytes; settings have at most {MAX_BYTES}.")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unusable(f"{path}:{line}", "It is not UTF-8 text.", "Save it as UTF-8.") from error
    return text.replace("\r\n", "\n")


def parse(text: str, path: Path) -> dict[str, Any]:
    """The text as TOML. Raises `ConfigError` with path and line."""
    if not text.strip():
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "It is nested too deeply."
        found = re.search(r"at line (\d+)", message)
        line = int(found[1]) if found else text.count("\n") + 1
        cause = re.sub(r"\s*\(at .*\)$", "", message)
        raise _unusable(f"{path}:{line}", f"It is not valid TOML: {cause}.") from error


def line_of(text: str, key: str) -> int:
    """The line, from 1, that sets `key` ("section.key", or "section"); 1 when it is written in an unusual way."""
    for number, name, header in _names(text):
        if name == key or (not header and key.startswith(f"{name}.")):
            return number
    return next((number for number, name, _ in _names(text) if name.startswith(f"{key}.")), 1)


def replaced(text: str, key: str, literal: str) -> str | None:
    """The text with the value of `key` replaced or added; None when it is written in a way not handled here."""
    lines = text.split("\n")
    for number, name, header in _names(text):
        if name == key and not header:
            match = _ONE_LINE.fullmatch(lines[number - 1])
            if match is None:
                return None
            lines[number - 1] = f"{match['before']}{literal}{match['after']}"
            return "\n".join(lines)
    section, _, name = key.rpartition(".")
    for number, header_name, header in _names(text):
        if header and header_name == section:
            lines.insert(number, f"{name} = {literal}")
            return "\n".join(lines)
    if any(found.startswith(f"{section}.") for _, found, header in _names(text) if not header):
        return f"{key} = {literal}\n{text}"  # the section is written as dotted keys: a header would clash
    joint = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{joint}[{section}]\n{name} = {literal}\n"


def removed(text: str, key: str) -> str | None:
    """The text without the line of `key`; None when it is written in a way not handled here."""
    lines = text.split("\n")
    for number, name, header in _names(text):
        if name == key and not header and _ONE_LINE.fullmatch(lines[number - 1]):
            del lines[number - 1]
            return "\n".join(lines)
    return None


def write(path: Path, text: str) -> None:
    """Replace the file in one step, through a symlink if it is one. Raises `ConfigError`."""
    import tempfile

    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(mode)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written.", why=error.strerror or str(error)) from error


def _names(text: str) -> list[tuple[int, str, bool]]:
    """(line from 1, dotted name, whether it is a table header) of all lines that look like one."""
    found = []
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.fullmatch(line):
            table = _plain(header["name"])
            found.append((number, table, True))
        elif assignment := _ASSIGNMENT.match(line):
            name = _plain(assignment["name"])
            found.append((number, f"{table}.{name}" if table else name, False))
    return found


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))


def _unusable(where: Path | str, why: str, hint: str | None = None) -> ConfigError:
    return ConfigError(
        f"{where} cannot be used as settings.",
        why=why,
        hint=hint or "Correct it or move it away; it is left as it is.",
    )
