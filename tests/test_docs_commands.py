"""Help, reference page and man page come from the commands, and say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest

from launchpad.cli.app import App
from launchpad.cli.documents import KINDS
from launchpad.cli.outcomes import CODES, OUTCOMES, document
from launchpad.cli.root import cli
from launchpad.cli.table import COMMANDS

ROOT = Path(__file__).parents[1]


def _generator():
    spec = importlib.util.spec_from_file_location("build_reference", ROOT / "tools" / "build_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _below(name, command):
    yield name, command
    for sub, below in getattr(command, "commands", {}).items():
        yield from _below(f"{name} {sub}", below)


CONTEXT = click.Context(cli, info_name="launchpad", obj=App())
EVERY = dict(pair for name in COMMANDS for pair in _below(name, cli.get_command(CONTEXT, name)))
RENEW = "run: python tools/build_reference.py"


@pytest.mark.parametrize("name", EVERY)
def test_the_help_has_an_example_that_the_command_line_understands(name):
    examples = re.findall(r"\x08\n(.*?)(?:\n\n|$)", EVERY[name].help, re.DOTALL)
    assert examples, "a block of examples after \\b in the docstring"
    assert any(f"launchpad {name}" in line for line in examples[0].splitlines())


def _arguments(line):
    """The words of the last `launchpad …` of a line, without what the shell or a remark adds."""
    import shlex

    found = re.search(r"launchpad (.*)", line.replace('eval "$(', "").replace(')"', ""))
    return shlex.split(re.split(r" {3,}| [|&>]|\s#", found[1])[0]) if found else None


@pytest.mark.parametrize("name", EVERY)
def test_the_options_of_the_examples_exist(name):
    for block in re.findall(r"\x08\n(.*?)(?:\n\n|$)", EVERY[name].help, re.DOTALL):
        for words in filter(None, map(_arguments, block.splitlines())):
            command, rest = EVERY[words[0]], words[1:]
            while isinstance(command, click.Group) and rest and rest[0] in command.commands:
                command, rest = command.commands[rest[0]], rest[1:]
            options = {
                opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts)
            }
            assert {word for word in rest if re.match(r"--?[a-z]", word)} <= options, words


def test_every_command_says_how_it_ends():
    assert set(OUTCOMES) == set(EVERY), "launchpad/cli/outcomes.py"
    assert {kind for outcome in OUTCOMES.values() for kind in outcome.kinds} == set(KINDS) - {"error"}


@pytest.mark.parametrize("name", EVERY)
def test_a_command_with_json_says_its_fields(name):
    assert bool(OUTCOMES[name].kinds) == any("--json" in p.opts for p in EVERY[name].params) or name == "env"


def test_every_code_is_in_the_table():
    rows = re.findall(
        r"^\| (\d+) \|", (ROOT / "docs/reference/exit-codes.md").read_text("utf-8"), re.MULTILINE
    )
    assert set(map(str, CODES)) <= set(rows)


def test_the_help_ends_with_fields_and_codes():
    command = click.Command("rm")
    document(command, "rm")
    assert command.epilog == (
        "--json prints removed: ref, freed.\n\nExit codes: 0 it worked; 2 bad arguments, file or setting; "
        "3 no such model, or none fits; 7 refused for safety or by policy; 8 something else holds what is needed."
    )


def test_the_reference_page_is_that_of_the_commands():
    assert (ROOT / "docs/reference/commands.md").read_text("utf-8") == _generator().page(), RENEW


def test_the_man_page_is_that_of_the_commands():
    assert (ROOT / "man/launchpad.1").read_text("utf-8") == _generator().man(), RENEW
