"""Built-in plugin: repositories on ModelScope (`modelscope://org/repo[@revision][:QUANT]`)."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import ModelSource, hookimpl


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """ModelScope."""
    from launchpad.plugins.modelscope.source import ModelScope

    return (ModelScope(),)
