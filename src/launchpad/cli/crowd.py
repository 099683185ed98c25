"""`launchpad plan --users N`: how many GPUs so many people need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.cli.render import speed
from launchpad.errors import NoModelFits

if TYPE_CHECKING:
    from launchpad.choice.choose import Candidate
    from launchpad.cli.app import App
    from launchpad.fit.crowd import Asked, Crowd
    from launchpad.hardware.machine import Machine
    from launchpad.plan import Plan
    from launchpad.wish import Wish

FEW = 4  # conversations at once up to which one engine of llama.cpp does


def plan_crowd(app: App, wish: Wish, on: Machine | None, asked: Asked) -> None:
    """Plan for so many people, and show what they need, as text or JSON on stdout."""
    from launchpad.fit.crowd import crowd

    if on is not None and wish.backend is None and asked.in_flight > FEW and _has_gpu(on):
        wish = replace(wish, backend="vllm")
    made = _planned(app, wish, on, asked)
    pick = made.choice.pick
    assert pick is not None
    _show(app, made, crowd(asked, pick.model, pick.build, pick.fit, made.machine))


def _has_gpu(machine: Machine) -> bool:
    return any({"cuda", "rocm"}.intersection(card.apis) for card in machine.accelerators)


def _planned(app: App, wish: Wish, on: Machine | None, asked: Asked) -> Plan:
    """The best model that serves them all here; where none does, the best one, of which more machines are needed."""
    from launchpad.cli import launching
    from launchpad.decide import make_plan_for
    from launchpad.fit.crowd import crowd
    from launchpad.lookup.named import is_auto

    if on is None:
        return launching.make_plan(app, wish, starts=False)

    def serves(candidate: Candidate) -> bool:
        return crowd(asked, candidate.model, candidate.build, candidate.fit, on).enough

    best = make_plan_for(app.host, app.config, wish, on=on)
    if not is_auto(wish.model):
        return best
    try:
        chosen = make_plan_for(app.host, app.config, wish, on=on, only=serves)
    except NoModelFits:
        app.output.note("No model serves them all on this machine: this is the best one for it.")
        return best
    if chosen.start.model_id != best.start.model_id:
        app.output.note(_instead_of(best, asked))
    return chosen


def _instead_of(best: Plan, asked: Asked) -> str:
    """Why it is not the best model that fits."""
    from launchpad.fit.crowd import crowd

    pick = best.choice.pick
    assert pick is not None
    found = crowd(asked, pick.model, pick.build, pick.fit, best.machine)
    needed = found.limit if found.replicas is None else _counted(found.replicas, found.gpus or 0)
    return (
        f"{best.start.model_name} is better and would need {needed} for all of them; here "
        f"{'is' if found.here == 1 else 'are'} {_counted(found.here, found.here * found.gpus_each)}"
    )


def _show(app: App, made: Plan, found: Crowd) -> None:
    from launchpad.cli.documents import Capacity

    out, start = app.output, made.start
    pick = made.choice.pick
    assert pick is not None
    build = pick.build
    if out.json_mode:
        out.data(
            Capacity(
                model=start.model_id,
                build=build.ref,
                backend=start.backend,
                machine=made.machine.name,
                arguments=start.arguments,
                crowd=found,
            )
        )
        return
    out.line(
        out.style(
            f"{start.model_name} {build.quantization} by {start.backend} for {found.people:,} users", "bold"
        )
    )
    out.field("  at once", f"{_conversations(found.in_flight)} of {found.each:,} tokens")
    gpus = f"{found.gpus_each} GPU{'s'[: found.gpus_each > 1]}" if found.gpus_each else "no GPU"
    room = "room for an unknown number" if found.slots is None else f"room for {found.slots:,} of them"
    out.field("  replica", f"{gpus}, {room}; {speed(found.alone)} for one alone")
    if found.replicas is None:
        out.field("  needed", f"not to be had: {found.limit}")
    else:
        each = _conversations(-(-found.in_flight // found.replicas))
        out.field(
            "  needed",
            f"{_counted(found.replicas, found.gpus or 0)}, by {found.limit}: {each} each, {speed(found.speed)} for each of them",
        )
    out.field(
        "  here",
        f"{_counted(found.here, found.here * found.gpus_each)}: {'enough' if found.enough else 'not enough'}",
    )
    for assumption in found.assumptions:
        out.note(assumption)
    if found.enough and found.gpus_each and start.backend == "vllm":
        out.note(f"next: {_next(made, found.replicas or 1)}")


def _next(made: Plan, replicas: int) -> str:
    """What starts them: the gateway, on one machine and on a live cluster; else the programs that others have for it."""
    from launchpad.hardware.ray_dashboard import ray_name

    model, times = made.start.model_id, f" --replicas {replicas}" if replicas > 1 else ""
    if made.start.cluster is not None:
        return f"launchpad serve {model} --on {ray_name(made.start.cluster)}{times}"
    if made.machine.cluster is None:
        return f"launchpad serve {model} --backend vllm{times}, on that machine"
    return f"launchpad cluster emit lws {model} --replicas {replicas} --on …"


def _conversations(number: int) -> str:
    return f"{number:,} conversation{'s'[: number != 1]}"


def _counted(replicas: int, gpus: int) -> str:
    text = f"{replicas:,} replica{'s'[: replicas != 1]}"
    return f"{text} on {gpus:,} GPU{'s'[: gpus != 1]}" if gpus else text
