"""`launchpad config`: show and change the configuration."""

from __future__ import annotations

from typing import Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.shared import Group


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def config(ctx: click.Context) -> None:
    """Show and change the configuration. Without a subcommand: every value and where it comes from.

    \b
    launchpad config
    launchpad config set engines.keep 10m
    """
    if ctx.invoked_subcommand is None:
        _show(ctx.find_object(App) or App())


def _show(app: App) -> None:
    settings = app.config.describe()
    if app.output.json_mode:
        from launchpad.cli.documents import ConfigDocument, ConfigValue

        app.output.data(
            ConfigDocument(values=tuple(ConfigValue(key=k, value=v, origin=o) for k, v, o in settings))
        )
    else:
        app.output.table(["key", "value", "origin"], [[k, _text(v), o] for k, v, o in settings])


@config.command()
@click.argument("key")
@click.pass_obj
def get(app: App, key: str) -> None:
    """Print one value.

    \b
    launchpad config get engines.keep
    """
    app.output.line(_text(app.config.get(key)))


@config.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(app: App, key: str, value: str) -> None:
    """Store a value in the user's configuration file.

    \b
    launchpad config set engines.keep 10m
    """
    from launchpad.config import set_value

    path = set_value(key, value)
    app.output.note(f"{key} is set in {path}")


@config.command()
@click.argument("key")
@click.pass_obj
def unset(app: App, key: str) -> None:
    """Remove a value from the user's configuration file.

    \b
    launchpad config unset engines.keep
    """
    from launchpad.config import unset_value

    path = unset_value(key)
    app.output.note(f"{key} is no longer set in {path}")


@config.command()
@click.pass_obj
def path(app: App) -> None:
    """Print where the user's configuration file is, whether or not it exists.

    \b
    launchpad config path
    """
    from launchpad.config import user_config_path

    app.output.line(str(user_config_path()))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
