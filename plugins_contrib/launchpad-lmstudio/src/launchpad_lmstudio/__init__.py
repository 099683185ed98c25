"""The app LM Studio: its models, in its engine."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, ModelSource, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """Hand over the backend. Nothing is asked here."""
    from launchpad_lmstudio.backend import LmStudio

    return [LmStudio()]


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """`lmstudio://KEY`: what LM Studio has."""
    from launchpad_lmstudio.backend import LmStudio

    return [LmStudio().source()]
