"""Built-in plugin: the Hugging Face Hub as a source of weights (`hf://org/repo[@revision][:QUANTIZATION]`)."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import ModelSource, hookimpl


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """The Hub."""
    from launchpad.plugins.huggingface.source import HuggingFace

    return (HuggingFace(),)
