"""Bring one model of the gateway into memory: plan again with the memory that is free now, and carry the plan out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from launchpad.errors import NoModelFits
from launchpad.events import Notice
from launchpad.launcher.reuse import for_plan
from launchpad.launcher.room import with_room, worse
from launchpad.launcher.run import RealEffects
from launchpad.launcher.sound import sound
from launchpad.serve.models import Offer, per_conversation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from launchpad.catalog.model import LocalModel
    from launchpad.config import Config
    from launchpad.engines.server import RunningServer
    from launchpad.events import Report
    from launchpad.plan import Plan, PullStep
    from launchpad.plugins.host import Host
    from launchpad.wish import Wish


class Loader(Protocol):
    """What the pool of engines needs of the rest of launchpad. Called in threads, one at a time."""

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        """Start the engine. Raises `NoModelFits` when the free memory is too small for it, or `EngineError`.

        `alone` says that no other engine of the gateway holds memory: then the best that can be had will do.
        """
        ...


class PlanLoader:
    """The real one. It pulls nothing: what comes over HTTP must not fill a disk."""

    def __init__(self, host: Host, config: Config, report: Report, fresh: Offer | None = None) -> None:
        self._host = host
        self._config = config
        self._report = report
        self._fresh = fresh  # its plan was made a moment ago
        self._done: dict[str, Plan] = {}  # by offer: what its engine was started from in the end
        self._served: set[str] = set()  # offers that had an engine

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        """Use what `run` has kept, or plan, compare with what was promised when the gateway started, start."""
        from launchpad.launcher.run import execute

        offer = replace(offer, plan=self._done.get(offer.name, offer.plan))
        if offer.replicas == 1 and (shared := self._shared(offer)) is not None:
            self._served.add(offer.name)
            self._fresh = None  # by the time that this one is gone, it is old
            return shared
        plan = sound(self._plan(offer), self._report)
        if not alone and (lack := worse(plan, offer.plan)):
            raise NoModelFits(f"{offer.name} would get {lack} beside the models that are loaded.")
        if plan.pull is not None:
            raise NoModelFits(f"{offer.name} is not on this machine any more.", hint="launchpad pull")
        plan = replace(plan, start=replace(plan.start, web_ui=offer.plan.start.web_ui))
        if offer.replicas > 1:
            plan = with_part_of_cores(plan, offer.replicas)
        if alone:  # a crash may cost context, unless that was asked for
            plan = replace(plan, wish=replace(plan.wish, context=offer.plan.wish.context))
        done, server = execute(plan, _NoPull(self._host, self._config), self._report)
        self._served.add(offer.name)
        self._done[offer.name] = replace(done, wish=offer.plan.wish)
        return server

    def _plan(self, offer: Offer) -> Plan:
        """As things are now; idle kept engines give way to what was promised."""
        from launchpad.decide import make_plan_for

        fresh, self._fresh = self._fresh, None
        if fresh is not None and offer.name == fresh.name:
            return offer.plan
        wish = pinned(offer.plan)

        def make(freed: Mapping[str, int]) -> Plan:
            return make_plan_for(self._host, self._config, wish, starts_next=True, freed=freed)

        lost = offer.name in self._served and offer.plan.start.cluster is not None
        return with_room(make, self._report, promised=offer.plan, lost=lost)

    def _shared(self, offer: Offer) -> RunningServer | None:
        """A kept engine that keeps the promise; letting go of it leaves it loaded, for its keeper to unload."""
        found = for_plan(offer.plan, self._report)
        if found is None:
            return None
        if per_conversation(found.server.settings) < offer.context:
            found.stop()
            return None
        self._report(Notice(message=f"using {found.record.model} ({found.record.token[:8]}), loaded already"))
        return found


def with_part_of_cores(plan: Plan, replicas: int) -> Plan:
    """The plan for one of several replicas: on the CPU each gets its part of the threads, else they wait for each other."""
    start = plan.start
    every = plan.machine.cpu.cores_available or start.settings.threads
    if start.fit.placement.kind == "gpu" or "threads" not in start.arguments or not every:
        return plan
    threads = max(1, int(every) // replicas)
    settings = replace(start.settings, threads=min(threads, start.settings.threads or threads))
    arguments = {**start.arguments, "threads": settings.threads or threads}
    return replace(plan, start=replace(start, settings=settings, arguments=arguments))


def pinned(plan: Plan) -> Wish:
    """The wish for exactly the model, and the context, that the plan promised."""
    wish, start, pick = plan.wish, plan.start, plan.choice.pick
    model = wish.model
    if pick is not None and (model is None or model.partition(":")[0] == "auto"):
        model = f"{start.model_id}:{pick.build.quantization}"
    return replace(wish, model=model, context=start.settings.context, offline=True)


class _NoPull(RealEffects):
    """Starts engines and fetches nothing."""

    def pull(self, step: PullStep, report: Report) -> LocalModel:
        """Refuse: what comes over HTTP must not fill a disk."""
        raise NoModelFits(f"{step.build.ref} is not on this machine.")
