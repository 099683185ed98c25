"""`launchpad env`: the variables that point programs at the running gateway."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option

if TYPE_CHECKING:
    from launchpad.serve.state import Record

SHELLS = ("sh", "fish", "powershell", "json")


def _powershell(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_LINES: dict[str, Callable[[str, str], str]] = {
    "sh": lambda name, value: f"export {name}={shlex.quote(value)}",
    "fish": lambda name, value: f"set -gx {name} {_fish(value)}",
    "powershell": lambda name, value: f"$env:{name} = {_powershell(value)}",
}


@click.command()
@click.option(
    "--shell", type=click.Choice(SHELLS), default="sh", show_default=True, help="Whose words to use."
)
@click.option("--port", type=click.IntRange(1, 65_535), help="The gateway on this port, where several run.")
@click.option("--model", metavar="NAME", help="Name this model of the gateway. [default: its first]")
@json_option
@click.pass_obj
def env(app: App, /, shell: str, port: int | None, model: str | None) -> int:
    """Print the variables that point OpenAI's and Anthropic's clients at the running gateway.

    \b
    eval "$(launchpad env)"
    launchpad env --shell fish | source
    launchpad env --shell powershell | Invoke-Expression
    """
    from launchpad.serve.state import the_one

    record = the_one(port)
    variables = variables_of(record, model)
    if shell == "json":
        app.output.json_mode = True
    if app.output.json_mode:
        from launchpad.cli.documents import Environment

        app.output.data(Environment(url=record.url, variables=variables))
        return 0
    for name, value in variables.items():
        app.output.line(_LINES[shell](name, value))
    return 0


def variables_of(record: Record, model: str | None = None) -> dict[str, str]:
    """Both families of variables, and the key under a name of its own for agents that have a list of providers. Raises `UnknownModel` when the gateway has no such model."""
    from pathlib import Path

    from launchpad.serve.key import read
    from launchpad.serve.state import served

    name = served(record, model).name
    key = read(Path(record.key_file))
    return {
        "OPENAI_BASE_URL": record.base_url,
        "OPENAI_API_KEY": key,
        "ANTHROPIC_BASE_URL": record.url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_MODEL": name,
        "ANTHROPIC_SMALL_FAST_MODEL": name,
        "LAUNCHPAD_API_KEY": key,
    }
