"""Backends that the user's own configuration describes: `[backends.NAME]`, no Python needed."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, ModelSource, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """One for each table. Nothing is started or asked."""
    from launchpad.plugins import CommandBackend, ServerBackend, own_backends

    return [
        ServerBackend(name, table) if table.url else CommandBackend(name, table)
        for name, table in own_backends().items()
    ]


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """For each server that runs already, the scheme of its name and the models that it lists."""
    from launchpad.plugins import ServerBackend, own_backends

    return [ServerBackend(name, table).source() for name, table in own_backends().items() if table.url]
