"""launchpad's own commands keep the contract of every command, though they go through no hook: the table names them."""

from __future__ import annotations

import pytest

from launchpad.cli.table import COMMANDS
from launchpad.plugins import CommandSpec
from launchpad.testing import CommandContract


@pytest.mark.parametrize("name", COMMANDS)
class TestCommand(CommandContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        target, text = COMMANDS[name]
        self._spec = CommandSpec(name=name, target=target, help=text)

    def spec(self) -> CommandSpec:
        return self._spec
