"""llama.cpp inside Python: the engine that comes with launchpad."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """One backend; the engine itself is not imported here, nor ever into this process."""
    from launchpad.plugins.llamacpp.backend import LlamaCpp

    return [LlamaCpp()]
