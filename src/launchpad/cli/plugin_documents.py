"""The JSON documents of `launchpad plugins`."""

from __future__ import annotations

from msgspec import Struct

from launchpad.plugins.rule_result import RuleResult


class PluginRecord(Struct, frozen=True, kw_only=True):
    """One plugin, where it comes from, and how it is doing."""

    name: str
    state: str
    origin: str
    distribution: str | None
    version: str | None
    hooks: tuple[str, ...]
    load_seconds: float | None


class FailureRecord(Struct, frozen=True, kw_only=True):
    """Something that went wrong with a plugin."""

    plugin: str
    stage: str
    message: str
    hint: str | None


class PluginList(Struct, frozen=True, kw_only=True):
    """`plugins --json`."""

    plugins: tuple[PluginRecord, ...]
    failures: tuple[FailureRecord, ...]


class PluginWritten(Struct, frozen=True, kw_only=True):
    """`plugins new --json`."""

    path: str
    files: tuple[str, ...]


class PluginChecked(Struct, frozen=True, kw_only=True):
    """`plugins check --json`."""

    plugin: str
    passed: bool
    rules: tuple[RuleResult, ...]


class PluginsChanged(Struct, frozen=True, kw_only=True):
    """`plugins install`, `uninstall`, `restore`, `disable` and `enable` with `--json`. `command` is the installer's."""

    done: str
    plugins: tuple[str, ...]
    command: tuple[str, ...]
    dry_run: bool


class FrozenPlugins(Struct, frozen=True, kw_only=True):
    """`plugins freeze --json`."""

    requirements: tuple[str, ...]
    record: str
