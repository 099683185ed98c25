"""When an engine dies while it loads: once more with a smaller context, then the truth. Knows no engine and no machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from launchpad.errors import EngineCrashed, LaunchError
from launchpad.events import Notice

if TYPE_CHECKING:
    from launchpad.engines.server import RunningServer
    from launchpad.events import Report
    from launchpad.plan import Plan, StartStep

LEAST_CONTEXT = 2048  # tokens below which a second try is no help to anybody
PORT_TRIES = 5


class Launches(Protocol):
    """What can start an engine."""

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start the engine; returns when it answers."""
        ...


@runtime_checkable
class Recovers(Protocol):
    """Effects that know what to do about a crash."""

    def smaller(self, plan: Plan, start: StartStep) -> StartStep | None:
        """The same with a smaller context; None when there is none that fits."""
        ...

    def explain(self, plan: Plan, start: StartStep, crash: EngineCrashed) -> EngineCrashed:
        """The crash with what was needed, what is free, and what to run instead."""
        ...


def start_engine(
    plan: Plan, start: StartStep, effects: Launches, report: Report
) -> tuple[RunningServer, StartStep]:
    """Start it; returns the engine and the step that it was started by in the end.

    A crash that a lack of memory may explain leads to one more try with a smaller context, unless the user fixed it.
    """
    try:
        return _with_free_port(start, effects, report), start
    except EngineCrashed as crash:
        if not isinstance(effects, Recovers):
            raise
        smaller = _smaller(plan, start, effects, crash)
        if smaller is None:
            raise effects.explain(plan, start, crash) from crash
        report(Notice(message=_announce(crash, smaller)))
        try:
            return _with_free_port(smaller, effects, report), smaller
        except EngineCrashed as again:
            raise effects.explain(plan, smaller, again) from again


def _with_free_port(start: StartStep, effects: Launches, report: Report) -> RunningServer:
    """Another program can take the port between its choice and its use: that is tried again."""
    for _ in range(PORT_TRIES - 1):
        try:
            return effects.launch(start, report)
        except LaunchError as error:
            if not error.retryable:
                raise
    return effects.launch(start, report)


def _smaller(plan: Plan, start: StartStep, effects: Recovers, crash: EngineCrashed) -> StartStep | None:
    if not crash.memory or plan.wish.context is not None or start.settings.context // 2 < LEAST_CONTEXT:
        return None
    return effects.smaller(plan, start)


def _announce(crash: EngineCrashed, smaller: StartStep) -> str:
    return f"{crash.what} {crash.why or ''} Trying once more with a context of {smaller.settings.context:,}."
