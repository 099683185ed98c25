"""Bring one model of the gateway into memory: plan again with the memory that is free now, and carry the plan out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from launchpad.errors import NoModelFits
from launchpad.run import RealEffects
from launchpad.serve.models import Offer

if TYPE_CHECKING:
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

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        """Plan, compare with what was promised when the gateway started, start."""
        from launchpad.decide import make_plan_for
        from launchpad.run import execute

        if offer is self._fresh:
            plan, self._fresh = offer.plan, None
        else:
            plan = make_plan_for(self._host, self._config, pinned(offer.plan), starts_next=True)
        if not alone and (lack := worse(plan, offer.plan)):
            raise NoModelFits(f"{offer.name} would get {lack} beside the models that are loaded.")
        if plan.pull is not None:
            raise NoModelFits(f"{offer.name} is not on this machine any more.", hint="launchpad pull")
        plan = replace(plan, start=replace(plan.start, web_ui=offer.plan.start.web_ui))
        return execute(plan, _NoPull(self._host, self._config), self._report)


def pinned(plan: Plan) -> Wish:
    """The wish for exactly the model, and the context, that the plan promised."""
    wish, start, pick = plan.wish, plan.start, plan.choice.pick
    model = wish.model
    if pick is not None and (model is None or model.partition(":")[0] == "auto"):
        model = f"{start.model_id}:{pick.build.quantization}"
    return replace(wish, model=model, context=start.settings.context, offline=True)


def worse(plan: Plan, promised: Plan) -> str | None:
    """What of the promise the plan would not keep."""
    now, then = plan.start, promised.start
    if now.settings.context < then.settings.context:
        return "a smaller context"
    if now.fit.placement.gpu_layers < then.fit.placement.gpu_layers:
        return "less of the GPU"
    return None if now.build == then.build else "another build"


class _NoPull(RealEffects):
    """Starts engines and fetches nothing."""

    def pull(self, step: PullStep, report: Report) -> LocalModel:
        """Refuse: what comes over HTTP must not fill a disk."""
        raise NoModelFits(f"{step.build.ref} is not on this machine.")
