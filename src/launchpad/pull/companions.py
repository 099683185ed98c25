"""What comes along with a model's weights: the vision projector. PURE."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.gguf_names import is_projector


def weight_files(resolved: Resolved) -> tuple[RemoteFile, ...]:
    """The files that hold the model itself, in their order."""
    return tuple(file for file in resolved.files if not is_projector(file.path))


def without_projector(resolved: Resolved) -> Resolved:
    """The same build for text alone."""
    return replace(resolved, files=weight_files(resolved))
