"""Ollama: a server that many people have already, with a store of its own."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """One backend; neither the server nor its client is touched here."""
    from launchpad.plugins.ollama.backend import Ollama

    return [Ollama()]
