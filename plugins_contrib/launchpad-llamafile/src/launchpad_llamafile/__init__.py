"""The engine llamafile for launchpad."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """Hand over the backend. Nothing is started here."""
    from launchpad_llamafile.backend import Llamafile

    return [Llamafile()]
