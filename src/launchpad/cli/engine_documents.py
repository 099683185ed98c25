"""The JSON documents of `launchpad engines`."""

from __future__ import annotations

from msgspec import Struct

from launchpad.plugins.spec import BackendStatus, Installation


class EngineProgram(Struct, frozen=True, kw_only=True):
    """An engine as it is on this machine. `installable`: `launchpad engines install` can bring it."""

    name: str
    formats: tuple[str, ...]
    installable: bool
    status: BackendStatus


class EnginePrograms(Struct, frozen=True, kw_only=True):
    """`engines --json`."""

    engines: tuple[EngineProgram, ...]


class EngineInstalled(Struct, frozen=True, kw_only=True):
    """`engines install --json`. `installed` is False after a dry run."""

    installation: Installation
    installed: bool


class EngineRolledBack(Struct, frozen=True, kw_only=True):
    """`engines rollback --json`."""

    engine: str
    removed: str
