"""`launchpad plugins`: what is loaded, from where, and what went wrong; to make, install, check and switch off plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.render import duration

if TYPE_CHECKING:
    from launchpad.cli.plugin_documents import PluginList
    from launchpad.plugins.host import Host

_COMMANDS = {
    "new": ("launchpad.cli.plugins_new:new", "Write a plugin of your own that passes the kit."),
    "check": ("launchpad.cli.plugins_new:check", "Run the conformance kit on an installed plugin."),
    "install": ("launchpad.cli.plugins_manage:install", "Install plugins beside launchpad."),
    "uninstall": ("launchpad.cli.plugins_manage:uninstall", "Uninstall plugins."),
    "disable": ("launchpad.cli.plugins_manage:disable", "Switch a plugin off without importing it."),
    "enable": ("launchpad.cli.plugins_manage:enable", "Switch a plugin on again."),
    "freeze": ("launchpad.cli.plugins_manage:freeze", "Print and record which plugins are installed."),
    "restore": ("launchpad.cli.plugins_manage:restore", "Install recorded plugins that an upgrade has lost."),
}


class _Group(click.Group):
    """Subcommands by name, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from importlib import import_module

        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=_Group, invoke_without_command=True)
@json_option
@click.pass_context
def plugins(context: click.Context) -> None:
    """List the plugins with their origin, version, hooks and load time, and every failure with its fix.

    A plugin is code that runs with your rights. `launchpad --no-plugins …` loads none of them.

    \b
    launchpad plugins
    launchpad plugins new backend tiny
    """
    if context.invoked_subcommand is not None:
        return
    app = context.find_object(App) or App()
    host = app.host
    host.load_all()
    if app.output.json_mode:
        app.output.data(_document(host))
        return
    rows = [
        [
            info.name,
            info.state,
            info.origin,
            f"{info.distribution or '-'} {info.version or ''}".strip(),
            duration(info.load_seconds),
            ", ".join(hook.removeprefix("launchpad_") for hook in info.hooks),
        ]
        for info in host.plugins
    ]
    app.output.table(["plugin", "state", "origin", "distribution", "load", "hooks"], rows, right=(4,))


def _document(host: Host) -> PluginList:
    from launchpad.cli.plugin_documents import FailureRecord, PluginList, PluginRecord

    return PluginList(
        plugins=tuple(
            PluginRecord(
                name=info.name,
                state=info.state,
                origin=info.origin,
                distribution=info.distribution,
                version=info.version,
                hooks=tuple(info.hooks),
                load_seconds=info.load_seconds,
            )
            for info in host.plugins
        ),
        failures=tuple(
            FailureRecord(plugin=f.plugin, stage=f.stage, message=f.message, hint=f.hint)
            for f in host.failures
        ),
    )
