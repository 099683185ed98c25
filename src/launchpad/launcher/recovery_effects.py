"""The facts behind a crash: memory as it is now, who holds it, and what would fit instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.errors import EngineCrashed, LaunchpadError
from launchpad.fit.result import DeviceMemory

if TYPE_CHECKING:
    from launchpad.choice.choose import Option
    from launchpad.config import Config
    from launchpad.fit.layout import Layout
    from launchpad.fit.result import Fit
    from launchpad.hardware.machine import Machine
    from launchpad.plan import Plan, StartStep
    from launchpad.plugins.host import Host


def smaller(host: Host, plan: Plan, start: StartStep) -> StartStep | None:
    """`start` with half the context, computed for the memory that is free now; None when even that does not fit."""
    fit = _fit_now(host, plan, start, start.settings.context // 2)
    if fit is None or not fit.runs or fit.settings.context >= start.settings.context:
        return None
    arguments = host.backend(start.backend).arguments(fit)
    return replace(start, settings=fit.settings, arguments=arguments, fit=fit)


def explain(host: Host, config: Config, plan: Plan, start: StartStep, crash: EngineCrashed) -> EngineCrashed:
    """The crash, what it needed beside what is free now, and the next smaller pick with the command to type."""
    told = EngineCrashed(crash.what, why=crash.why, hint=crash.hint)
    told.memory = crash.memory
    for note in getattr(crash, "__notes__", ()):
        told.add_note(note)
    if not crash.memory or start.cluster is not None:  # what is free here says nothing of a cluster
        return told
    from launchpad.engines.holders import named

    now = _fit_now(host, plan, start, start.settings.context)
    lines = [need(device) for device in (now or start.fit).devices]
    told.why = " ".join([f"{crash.why}.", *lines, *named(10)])
    told.hint = _hint(next_smaller(host, config, plan, start), start)
    return told


def need(device: DeviceMemory) -> str:
    """`needs 5.2 GiB on cuda:0, where 3.1 GiB are free.`"""
    free = "what is free is unknown" if device.free is None else f"{_gib(device.free)} are free"
    return f"It needs {_gib(device.total)} on {device.device}, where {free}."


def _hint(option: Option | None, start: StartStep) -> str:
    context = f"--context {start.settings.context // 2}"
    if option is None:
        return f"Free some memory, or ask for less context: {context}. `launchpad logs` has the engine's own words."
    size = _gib(option.fit.total)
    return (
        f"The next smaller pick: launchpad run {option.model.id} ({option.model.name}, needs {size}); "
        f"or a smaller context: {context}"
    )


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"


def _fit_now(host: Host, plan: Plan, start: StartStep, context: int) -> Fit | None:
    pick = plan.choice.pick
    if pick is None:
        return None
    try:
        machine = _machine_now(host, plan.machine)
        wish = replace(plan.wish, context=context)
        return host.backend(start.backend).fit(pick.model, pick.build, machine, wish, _layout(start))
    except LaunchpadError:
        return None


def _machine_now(host: Host, planned: Machine) -> Machine:
    """The machine of the plan with the memory that is free at this moment."""
    from launchpad.survey import detect_machine

    if planned.simulated:
        return planned
    now = detect_machine(host, measure_bandwidth=False)
    free = {(a.vendor, a.index): a.memory_free for a in now.accelerators}
    accelerators = tuple(
        replace(a, memory_free=free.get((a.vendor, a.index), a.memory_free)) for a in planned.accelerators
    )
    return replace(planned, memory=now.memory, accelerators=accelerators)


def _layout(start: StartStep) -> Layout | None:
    from launchpad.lookup.model_file import read_layout

    try:
        return read_layout(Path(start.model_path)) if start.model_path else None
    except (LaunchpadError, OSError):
        return None


def next_smaller(host: Host, config: Config, plan: Plan, start: StartStep) -> Option | None:
    """The best model of the catalogs that needs clearly less memory than what has just failed."""
    from launchpad.config.policy_file import load_policy
    from launchpad.decide import allowed
    from launchpad.survey import consider, survey

    wish = replace(plan.wish, model=None, context=None)
    try:
        seen = survey(host, config, wish)
        models, _ = allowed(seen.models, wish, load_policy(config))
        less = [
            one
            for one in consider(seen, wish, models)
            if one.fit.total < 0.8 * start.fit.total and one.model.id != start.model_id
        ]
        return host.choose(less, wish).pick
    except LaunchpadError:
        return None
