"""Built-in plugin: GGUF files in registries: Ollama's library (`ollama://name:tag`) and OCI artifacts (`oci://…`)."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import ModelSource, hookimpl


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """Ollama's registry, and any other."""
    from launchpad.plugins.registries.oci import OciRegistries
    from launchpad.plugins.registries.ollama import OllamaRegistry

    return OllamaRegistry(), OciRegistries()
