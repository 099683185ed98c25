"""From plan to deeds: the only place where a plan is carried out.

`execute` walks the steps and knows no engine, source or terminal: what it does is done through `Effects`, so that the
order of the deeds is tested without any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from launchpad.errors import ClusterChanged
from launchpad.events import Notice
from launchpad.launcher.readback import read_back
from launchpad.launcher.recovery import start_engine

if TYPE_CHECKING:
    from launchpad.catalog.model import LocalModel
    from launchpad.config import Config
    from launchpad.engines.server import EngineReport, RunningServer
    from launchpad.errors import EngineCrashed
    from launchpad.events import Event, Report
    from launchpad.plan import Plan, PullStep, StartStep
    from launchpad.plugins.host import Host


class Effects(Protocol):
    """What can be done to the world."""

    def pull(self, step: PullStep, report: Report) -> LocalModel:
        """Fetch and verify; returns what is on disk now."""
        ...

    def verify(self, path: str) -> None:
        """Raise `PullError` when the file at `path` is not a whole, well-formed model."""
        ...

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start the engine; returns when it answers."""
        ...

    def watch_template(self, plan: Plan, start: StartStep, did: EngineReport, report: Report) -> None:
        """Tell when the model's chat template is not the one that it had."""
        ...

    def plan_anew(self, plan: Plan) -> Plan:
        """A plan for the same wish, for what is there now. Raises `LaunchpadError`."""
        ...


def execute(plan: Plan, effects: Effects, report: Report) -> tuple[Plan, RunningServer]:
    """Pull what is missing, verify, start the engine, read back what it did. The caller stops the server.

    The plan that comes back is the one that was carried out in the end: nothing to pull, the settings that worked.
    Raises `PullError` or `EngineError`; an engine that was started and is not as required is stopped first.
    """
    plan = fetch(plan, effects, report)
    try:
        return _started(plan, effects, report)
    except ClusterChanged as change:
        message = f"{change.what} {change.why or ''} A new plan is made for what is left of the cluster."
        report(Notice(message=message))
    return _started(fetch(effects.plan_anew(plan), effects, report), effects, report)


def _started(plan: Plan, effects: Effects, report: Report) -> tuple[Plan, RunningServer]:
    start = plan.start
    if start.model_path is not None:
        effects.verify(start.model_path)
    server, start = start_engine(plan, start, effects, report)
    try:
        read_back(plan, start, server, report)
        effects.watch_template(plan, start, server.server.report, report)
    except BaseException:
        server.stop()
        raise
    return replace(plan, start=start), server


def fetch(plan: Plan, effects: Effects, report: Report) -> Plan:
    """Pull what is missing; the plan that remains has nothing to pull. Raises `PullError`."""
    if plan.pull is None:
        return plan
    pulled = effects.pull(plan.pull, report)
    start = replace(plan.start, model_path=pulled.path or None, projector_path=pulled.projector)
    return replace(plan, pull=None, start=start)


class RealEffects:
    """The deeds themselves, by the plugins that own them."""

    def __init__(self, host: Host, config: Config) -> None:
        self._host = host
        self._config = config

    def pull(self, step: PullStep, report: Report) -> LocalModel:
        """Resolve at the source that owns the scheme, then fetch through the one verified path.

        Where the backend has a store of its own and fetches by itself, it does.
        """
        if step.by is not None:
            return self._host.backend(step.by).pull(step.build, report)
        from launchpad.events import ignore
        from launchpad.launcher.code_requests import settings_of
        from launchpad.pull.companions import without_projector
        from launchpad.pull.download_rate import remember
        from launchpad.pull.options import PullOptions
        from launchpad.pull.store import pull
        from launchpad.pull.unpinned import pinned

        source = self._host.source(step.build.scheme)
        settings = self._config.pull
        options = PullOptions(
            connect_seconds=settings.connect_seconds,
            stall_seconds=settings.stall_seconds,
            retries=settings.retries,
            lock_timeout=settings.lock_timeout,
            max_rate=settings.max_rate,
            connections=settings.connections,
        )

        def noting(event: Event) -> None:
            remember(event)
            report(event)

        resolved = source.resolve(step.build)
        if not step.projector:
            resolved = without_projector(resolved)
        if step.allow_unpinned:
            resolved = pinned(resolved, noting, options)
        if small := settings_of(resolved):
            self._refuse_code(pull(small, ignore, options=options).path)
        return pull(resolved, noting, options=options)

    def verify(self, path: str) -> None:
        """Read the headers of a model: a malformed or incomplete one must not reach an engine."""
        from pathlib import Path

        from launchpad.engines.guards import prepare
        from launchpad.lookup.model_file import check

        prepare()  # the guard starts up while the file is read
        check(Path(path))
        self._refuse_code(path)

    def _refuse_code(self, path: str) -> None:
        from pathlib import Path

        from launchpad.launcher.code_requests import refuse_code

        consented = (*self._config.run.allow_auto_map, *self._config.vllm.trust_remote_code)
        refuse_code(Path(path), consented)

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start the engine of the plan's backend."""
        return self._host.backend(start.backend).launch(start, report)

    def watch_template(self, plan: Plan, start: StartStep, did: EngineReport, report: Report) -> None:
        """Compare with the catalog, with what is recorded, and with what the engine uses."""
        from launchpad.chat_templates.watch import watch

        pick = plan.choice.pick
        if start.model_path is not None and pick is not None:
            watch(start.model_path, pick.build, start.model_name, did.engine, did.template, report)

    def plan_anew(self, plan: Plan) -> Plan:
        """Look at the cluster again, and decide again."""
        from launchpad.events import ignore
        from launchpad.launcher.room import planned

        return planned(self._host, self._config, plan.wish, ignore, lost=True)

    def smaller(self, plan: Plan, start: StartStep) -> StartStep | None:
        """The same model with half the context, planned for the memory that is free now."""
        from launchpad.launcher.recovery_effects import smaller

        return smaller(self._host, plan, start)

    def explain(self, plan: Plan, start: StartStep, crash: EngineCrashed) -> EngineCrashed:
        """The crash with what was needed, what is free, who holds it, and what to run instead."""
        from launchpad.launcher.recovery_effects import explain

        return explain(self._host, self._config, plan, start, crash)
