"""Calls of plugins whose result is needed, or is a list: what `guarded` is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.errors import EngineError, LaunchpadError
from launchpad.plugins import validate
from launchpad.plugins.isolation import CallFailed
from launchpad.plugins.plugin import Plugin
from launchpad.plugins.spec import Backend, RollsBack
from launchpad.plugins.validate import listed

T = TypeVar("T")
S = TypeVar("S", Build, LocalModel, Model)

SLOW = 4  # times the usual limit: looks at disks and devices


def items(
    plugin: Plugin,
    stage: str,
    function: Callable[[], Iterable[S]],
    type_: type[S],
    most: int,
    *,
    limit: float | None = 0,
) -> tuple[S, ...]:
    """The call's items, all of them good, or none."""
    return plugin.attempt(
        stage,
        lambda: tuple(listed(function(), stage, most)),
        lambda _: (),
        check=lambda items: validate.checked_all(items, type_, stage),
        limit=SLOW * plugin.limit if limit == 0 else limit,
    )


def required(
    plugin: Plugin,
    stage: str,
    function: Callable[[], T],
    check: Callable[[T], T] | None,
    error: Callable[[str], LaunchpadError],
    limit: float | None,
) -> T:
    """The call's result; `error(<why>)` is raised when there is none."""
    try:
        return plugin.call(stage, function, check=check, limit=limit)
    except CallFailed as failure:
        raise error(f"The plugin {plugin.name} failed: {failure}.") from failure


def rolled_back(plugin: Plugin, name: str, backend: Backend) -> str:
    """The name of the installation that the backend took away. Raises `EngineError`."""
    if not isinstance(backend, RollsBack):
        raise EngineError(f"launchpad takes back no installation of {name}.")

    def failed(why: str) -> EngineError:
        return EngineError(f"The installation of {name} was not taken back.", why=why)

    return required(plugin, f"{name}.rollback", lambda: str(backend.rollback()), None, failed, None)
