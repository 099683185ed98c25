"""Room for an engine: kept engines that nobody uses give way, the one that was not used for longest first.

What they hold counts as memory that can be had, as long as they are idle: nobody relies on them, no request is on its
way, and they take no processor time. What is then decided is decided with the memory that really became free.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.engines import kept, registry, stopping, use
from launchpad.engines.activity import Activity
from launchpad.errors import NoModelFits
from launchpad.events import Notice
from launchpad.launcher.reuse import for_plan, stored_plan

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.events import Report
    from launchpad.plan import Plan
    from launchpad.plugins.host import Host
    from launchpad.wish import Wish

GIVEN_BACK_SECONDS = (
    40.0  # that Ray takes at most to count the GPUs of what has ended as free: it tells of them late
)

Make = Callable[[Mapping[str, int]], "Plan"]  # plans as if so many bytes more were free, by device


class Idle:
    """A kept engine that nobody uses, watched from now on."""

    def __init__(self, record: registry.Record) -> None:
        self.record = record
        self.since = use.last_used(record.token) or record.started
        self._activity = Activity(record.engine.pid if record.engine else 0)

    @property
    def named(self) -> str:
        """`qwen3-8b (1a2b3c4d)`."""
        return f"{self.record.model} ({self.record.token[:8]})"

    def holds(self) -> dict[str, int]:
        """Bytes by device that come free with it: of main memory what is measured, of GPUs what was planned.

        Of an engine on a cluster: GPUs by node.
        """
        from launchpad.engines.resident import private_bytes

        engine, did, plan = self.record.engine, self.record.report, stored_plan(self.record.token)
        if plan is not None and plan.start.cluster is not None:
            return on_cluster(plan, plan.start.cluster)
        held = {"cpu": private_bytes(engine.pid) if engine else 0}
        if plan is not None and did is not None and (did.gpu_layers or did.gpu_share):
            held |= {one.device: one.total for one in plan.start.fit.devices if one.device != "cpu"}
        return held

    def unload(self) -> bool:
        """End it, unless somebody has come to use it; returns when its memory is free."""
        if self._activity.seen() or use.is_held(self.record.token, "working"):
            return False
        claim = use.take(self.record.token, "attached", alone=True)  # from here on nobody attaches
        if claim is None:
            return False
        try:
            return stopping.stop(self.record)
        finally:
            os.close(claim)


def on_cluster(plan: Plan, cluster: str) -> dict[str, int]:
    """GPUs of the cluster that an engine holds, by node: devices of other nodes than the first carry their node's name."""
    from launchpad.hardware.ray_cluster import gpus_of

    nodes = plan.machine.cluster.nodes if plan.machine.cluster else ()
    first = nodes[0].name if nodes else ""
    named = [device.rpartition("/")[0] or first for device in plan.start.fit.placement.devices]
    return {gpus_of(cluster, node): named.count(node) for node in named}


def idle() -> list[Idle]:
    """The kept engines that nobody uses, the least recently used first."""
    free = (
        Idle(record)
        for record in kept.usable()
        if not use.is_held(record.token, "attached") and not use.is_held(record.token, "working")
    )
    return sorted(free, key=lambda one: one.since)


def with_room(make: Make, report: Report, *, promised: Plan | None = None, lost: bool = False) -> Plan:
    """The plan, after idle engines were unloaded as far as it is better for that.

    A plan that keeps what was `promised` is good enough. After an engine was `lost` by its cluster, none at all is looked
    for again until the cluster has given its GPUs back. Raises what `make` raises.
    """
    lost = kept.await_lost() or lost
    now, refused = _attempt(make, {})
    until = time.monotonic() + GIVEN_BACK_SECONDS
    while lost and now is None and time.monotonic() < until:
        time.sleep(1.0)
        now, refused = _attempt(make, {})
    if now is not None and promised is not None and worse(now, promised) is None:
        return now
    waiting = idle()
    best = _better(make, now, waiting)
    if best is None:
        return _or_raise(now, refused)
    if is_loaded(best, report):
        return best
    for one in waiting:
        if one.unload():
            report(Notice(message=f"{one.named} made room for {best.start.model_name}: {_unused(one)}"))
            now, refused = _attempt(make, {})
            if now is not None and worse(now, best) is None:
                break
    return _or_raise(now, refused)


def planned(
    host: Host,
    config: Config,
    wish: Wish,
    report: Report,
    *,
    starts: bool = True,
    makes_room: bool = True,
    lost: bool = False,
) -> Plan:
    """The plan for `wish` on this machine, as commands and `launchpad.api` make it. Raises what `make_plan_for` raises.

    With `makes_room` idle kept engines are unloaded as far as need be, else they are counted as if they would be. `lost` as in
    `with_room`.
    """
    from launchpad.decide import make_plan_for

    def make(freed: Mapping[str, int]) -> Plan:
        return make_plan_for(host, config, wish, ask_sources=True, starts_next=starts, freed=freed)

    return with_room(make, report, lost=lost) if makes_room else foreseen(make, report)


def require_possible(host: Host, config: Config, wish: Wish, running: Plan) -> None:
    """Raise `NoModelFits` where nothing would do what is wished even if the engine of `running` had ended.

    Of this machine the whole memory counts as free: what an engine leaves is known once it has ended, not before.
    """
    from launchpad.decide import make_plan_for

    machine, cluster = running.machine, running.start.cluster
    freed = {f"{one.vendor}:{one.index}": one.memory_total or 0 for one in machine.accelerators}
    freed["cpu"] = machine.memory.total or 0
    if cluster is not None:
        freed = on_cluster(running, cluster)
    make_plan_for(host, config, wish, ask_sources=True, starts_next=True, freed=freed)


def foreseen(make: Make, report: Report) -> Plan:
    """The plan that `with_room` would come to, told as such; nothing is unloaded. Raises what `make` raises."""
    now, refused = _attempt(make, {})
    waiting = idle()
    best = _better(make, now, waiting)
    if best is None:
        return _or_raise(now, refused)
    if is_loaded(best, report):
        return best
    names = ", ".join(one.named for one in waiting)
    line = (
        f"memory of engines that nobody uses is counted as free; they are unloaded as far as need be: {names}"
    )
    return replace(best, notices=(*best.notices, line))


def is_loaded(plan: Plan, report: Report) -> bool:
    """Whether a kept engine does what the plan would start one for."""
    found = for_plan(plan, report)
    if found is not None:
        found.stop()
    return found is not None


def worse(plan: Plan, promised: Plan) -> str | None:
    """What of the promise the plan would not keep."""
    now, then = plan.start, promised.start
    if now.settings.context < then.settings.context:
        return "a smaller context"
    if now.fit.placement.gpu_layers < then.fit.placement.gpu_layers:
        return "less of the GPU"
    return None if now.build == then.build else "another build"


def _better(make: Make, now: Plan | None, waiting: Sequence[Idle]) -> Plan | None:
    """The plan with the memory of those that wait, where it is better than the one without."""
    if not waiting:
        return None
    freed: dict[str, int] = {}
    for one in waiting:
        for device, held in one.holds().items():
            freed[device] = freed.get(device, 0) + held
    best, _ = _attempt(make, freed)
    return None if best is None or (now is not None and worse(now, best) is None) else best


def _attempt(make: Make, freed: Mapping[str, int]) -> tuple[Plan | None, NoModelFits | None]:
    try:
        return make(freed), None
    except NoModelFits as error:
        return None, error


def _or_raise(plan: Plan | None, refused: NoModelFits | None) -> Plan:
    if plan is not None:
        return plan
    assert refused is not None
    raise refused


def _unused(one: Idle) -> str:
    seconds = max(0.0, time.time() - one.since)
    return f"nobody has used it for {seconds / 60:.0f} min" if seconds >= 90 else "nobody uses it now"
