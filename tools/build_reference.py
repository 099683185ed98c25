"""Write the command reference and the man page from the commands themselves: `python tools/build_reference.py`.

docs/reference/commands.md is for the site, man/launchpad.1 goes into the wheel (share/man/man1).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from launchpad.cli.app import App
from launchpad.cli.outcomes import CODES, OUTCOMES, fields
from launchpad.cli.root import cli
from launchpad.cli.table import COMMANDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "commands.md"
MAN = ROOT / "man" / "launchpad.1"


class Entry(NamedTuple):
    """One command: its words, what it says, its examples, and its options with their help."""

    path: str
    usage: str
    text: tuple[str, ...]
    examples: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


def commands() -> Iterator[Entry]:
    """The root command and every built-in one, in the order of `--help`."""
    app = App()
    app.third_party = False
    context = click.Context(cli, info_name="launchpad", obj=app)
    yield _entry(cli, context)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _below(command, name, context)


def _below(command: click.Command, name: str, parent: click.Context) -> Iterator[Entry]:
    context = click.Context(command, info_name=name, parent=parent)
    yield _entry(command, context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            yield from _below(command.commands[sub], sub, context)


def _entry(command: click.Command, context: click.Context) -> Entry:
    paragraphs = [part.strip("\n") for part in inspect.cleandoc(command.help or "").split("\n\n")]
    text = tuple(" ".join(part.split()) for part in paragraphs if not part.startswith("\b"))
    examples = [part.removeprefix("\b\n").splitlines() for part in paragraphs if part.startswith("\b")]
    options = [param.get_help_record(context) for param in command.get_params(context)]
    return Entry(
        path=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        text=text,
        examples=tuple(line for block in examples for line in block),
        options=tuple((r[0], " ".join(r[1].split())) for r in options if r and r[1] and "--help" not in r[0]),
    )


def outcome(path: str) -> tuple[dict[str, tuple[str, ...]], dict[int, str]]:
    """The JSON documents with their fields, and the exit codes, of the command at this path."""
    found = OUTCOMES.get(path.removeprefix("launchpad "))
    if found is None:
        return {}, {}
    codes = sorted({0, 2, *map(int, found.codes)})
    return {kind: fields(kind) for kind in found.kinds}, {code: CODES[code] for code in codes}


# -- Markdown -------------------------------------------------------------------------------------------------------


def page() -> str:
    """The reference page."""
    head = [
        "# Commands",
        "",
        "<!-- Written by tools/build_reference.py from the commands themselves. Do not edit. -->",
        "",
        "Every command has `--help`. Options of the root stand before the command. `--json` prints one document with"
        " `schema_version`, `kind` and the fields named here; an error is a document of kind `error`."
        " [Exit codes](exit-codes.md) in full.",
    ]
    return "\n".join([*head, *(line for entry in commands() for line in _section(entry))]) + "\n"


def _section(entry: Entry) -> list[str]:
    documents, codes = outcome(entry.path)
    lines = ["", f"## `{entry.path}`", "", f"```text\n{entry.usage}\n```"]
    lines += [line for part in entry.text for line in ("", _escaped(part))]
    if entry.examples:
        lines += ["", "```sh", *entry.examples, "```"]
    if entry.options:
        lines += ["", "| option | what it does |", "| --- | --- |"]
        lines += [f"| `{_cell(flags)}` | {_cell(_escaped(text))} |" for flags, text in entry.options]
    for kind, names in documents.items():
        lines += ["", f"JSON `{kind}`: {', '.join(f'`{name}`' for name in names)}."]
    if codes:
        lines += ["", "Exit codes: " + "; ".join(f"{code} {text}" for code, text in codes.items()) + "."]
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    """The text as Markdown shows it: no emphasis and no HTML where none was meant, code as it is."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*<\[])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


# -- roff -----------------------------------------------------------------------------------------------------------


def man() -> str:
    """The man page: one for all commands, as they share options, exit codes and files."""
    root, *others = commands()
    lines = [
        '.\\" Written by tools/build_reference.py from the commands themselves. Do not edit.',
        '.TH LAUNCHPAD 1 "" launchpad',
        ".SH NAME",
        "launchpad \\- " + _roff(root.text[0].rstrip(".")),
        ".SH SYNOPSIS",
        ".B launchpad",
        _roff(root.usage.removeprefix("launchpad ")),
        ".SH OPTIONS",
        *_roff_options(root.options),
        ".SH COMMANDS",
        *(line for entry in others for line in _roff_section(entry)),
        ".SH EXIT STATUS",
        *(line for code, text in CODES.items() for line in (".TP", str(code), _roff(text))),
        ".SH FILES",
        _roff("`launchpad config path` prints where the configuration is, `launchpad du` what lies where."),
    ]
    return "\n".join(lines) + "\n"


def _roff_section(entry: Entry) -> list[str]:
    _, codes = outcome(entry.path)
    lines = [f'.SS "{_roff(entry.usage)}"']
    for number, part in enumerate(entry.text):
        lines += [".PP"] * bool(number) + [_roff(part)]
    if entry.examples:
        lines += [".PP", ".nf", ".RS 4", *map(_roff, entry.examples), ".RE", ".fi"]
    lines += _roff_options(entry.options)
    if len(codes) > 2:
        lines += [".PP", "Exit status: " + ", ".join(str(code) for code in codes) + "."]
    return lines


def _roff_options(options: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for flags, text in options for line in (".TP", f"\\fB{_roff(flags)}\\fR", _roff(text))]


def _roff(text: str) -> str:
    """Text that roff prints as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("`", "\\(ga")
    return "\\&" + text if text.startswith((".", "'")) else text


def main() -> None:
    """Write both."""
    MAN.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    MAN.write_text(man(), encoding="utf-8")


if __name__ == "__main__":
    main()
