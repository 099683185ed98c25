"""Built-in plugin: models that already lie on this machine (`file:///path/to/model.gguf`)."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import ModelSource, hookimpl


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """The file system."""
    from launchpad.plugins.files.source import Files

    return (Files(),)
