"""What every command shares: the output sink, and the parts of launchpad that are loaded when first asked for."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from launchpad.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

    from launchpad.cli.timeline import Timeline
    from launchpad.config import Config
    from launchpad.hardware.machine import Machine
    from launchpad.plugins.host import Host
    from launchpad.plugins.spec import CommandSpec


class App:
    """One run of the command line."""

    def __init__(self) -> None:
        # The interpreter's own start counts by the processor's time that it took.
        self.started = time.monotonic() - time.process_time()
        self.output = Output()
        self.third_party = True
        self.debug = False
        self.on: str | None = None  # the live cluster that this command starts its engines on
        self.hosts: Machine | None = (
            None  # hosts that the user starts an engine on, by the commands that are written
        )
        self.introduces = False  # bare `launchpad`: tell a newcomer what this machine is, and what is picked

    @cached_property
    def timeline(self) -> Timeline:
        """How long each step takes until the first token."""
        from launchpad.cli.timeline import Timeline

        return Timeline(self.started)

    @cached_property
    def config(self) -> Config:
        """The layered configuration."""
        from launchpad.config import load_config

        config = load_config()
        self.output.configure(config.output)
        return config

    def use_policy(self, path: str) -> None:
        """Keep the policy of this file, as the command line says, instead of the configured one."""
        from msgspec.structs import replace

        run = replace(self.config.run, policy=path)
        origins = {**self.config.origins, "run.policy": "command line"}
        self.config = replace(self.config, run=run, origins=origins)

    def use_pull(self, **settings: float | int) -> None:
        """Transfer as the command line says, instead of as configured."""
        from msgspec.structs import replace

        pull = replace(self.config.pull, **settings)
        origins = {**self.config.origins, **{f"pull.{name}": "command line" for name in settings}}
        self.config = replace(self.config, pull=pull, origins=origins)

    @cached_property
    def host(self) -> Host:
        """The plugins."""
        from launchpad.plugins.host import Host

        return Host.load(self.config, third_party=self.third_party)

    def plugin_commands(self) -> Mapping[str, CommandSpec]:
        """Commands of third-party plugins; none are looked for unless such a plugin is installed."""
        from launchpad.plugins.presence import any_third_party

        if not self.third_party or not any_third_party():
            return {}
        from launchpad.cli.table import COMMANDS

        return {spec.name: spec for spec in self.host.commands(reserved=COMMANDS)}

    def load_plugin_command(self, name: str) -> click.Command | None:
        """Import a plugin's command; None when no plugin has it."""
        spec = self.plugin_commands().get(name)
        return None if spec is None else self.host.load_command(spec)

    def close(self) -> None:
        """Tell what went wrong with plugins, once, at the end."""
        if "host" in self.__dict__:
            for failure in self.host.failures:
                self.output.warn(failure.line)
