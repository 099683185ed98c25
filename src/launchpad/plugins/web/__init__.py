"""Built-in plugin: one GGUF file at an address on the web (`https://host/model.gguf#sha256=…`)."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import ModelSource, hookimpl


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """The web."""
    from launchpad.plugins.web.source import Web

    return (Web(),)
