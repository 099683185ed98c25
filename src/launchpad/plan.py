"""The plan: the hinge between deciding and doing. Plain data: `--dry-run` shows it, `--json` prints it."""

from __future__ import annotations

from msgspec import Struct

from launchpad.catalog.model import Build, License
from launchpad.fit.result import Fit, Settings

EngineArguments = dict[str, str | int | float | bool]


class PullStep(Struct, frozen=True, kw_only=True):
    """Fetch these bytes from there. `size` in bytes."""

    build: Build
    size: int | None
    license: License
    source: str


class StartStep(Struct, frozen=True, kw_only=True):
    """Start this engine. `arguments` are exactly what it is told; `model_path` is None until the pull is done."""

    backend: str
    model_id: str
    model_name: str
    build: str
    model_path: str | None
    settings: Settings
    arguments: EngineArguments
    fit: Fit
    require_gpu: bool = False
