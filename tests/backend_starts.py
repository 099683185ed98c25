"""The step that starts a build, for tests that launch a backend themselves."""

from __future__ import annotations

from pathlib import Path

from launchpad.fit.result import Fit, Placement, Settings
from launchpad.plan import StartStep
from launchpad.plugins import Backend


def start(backend: Backend, build: str, path: Path | None, context: int = 512) -> StartStep:
    """The step that starts `build`."""
    settings = Settings(context=context)
    fit = Fit(
        model_id="a/b", build=build, backend=backend.name, settings=settings, placement=Placement(kind="cpu"),
        devices=(), verdict="fits",
    )  # fmt: skip
    return StartStep(
        backend=backend.name, model_id="a/b", model_name="B", build=build, model_path=str(path) if path else None,
        settings=settings, arguments=backend.arguments(fit), fit=fit,
    )  # fmt: skip
