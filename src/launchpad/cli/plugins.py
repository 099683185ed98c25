"""`launchpad plugins`: what is loaded, from where, and what went wrong; to make, install, check and switch off plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.plugins_manage import disable, enable, freeze, install, restore, uninstall
from launchpad.cli.plugins_new import check, new
from launchpad.cli.render import duration
from launchpad.cli.shared import Group

if TYPE_CHECKING:
    from launchpad.cli.plugin_documents import PluginList
    from launchpad.plugins.host import Host


@click.group(cls=Group, invoke_without_command=True)
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


for _command in (new, check, install, uninstall, disable, enable, freeze, restore):
    plugins.add_command(_command)


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
