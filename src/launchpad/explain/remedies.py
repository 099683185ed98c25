"""What would make a misfit fit: every change by itself, the cheapest first, each with what it saves."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from launchpad.catalog.model import Build
from launchpad.explain.economies import economies
from launchpad.explain.hardware import free_change, gpu_change, memory_change
from launchpad.explain.result import Change, ChangeKind, Goal, Remedies
from launchpad.explain.shortfall import is_shared, shortfall
from launchpad.explain.subject import Subject, reaches
from launchpad.fit.kv import row_bytes
from launchpad.fit.placement import SMALLEST_CONTEXT, can_quantize_cache
from launchpad.fit.result import KvType
from launchpad.wish import Wish

CONTEXT_STEP = 1024
LEAST_CONTEXT = 2048  # with less a conversation is over before it has begun
SMALLER_CACHES: tuple[KvType, ...] = ("q8_0", "q4_0")


def goal_of(subject: Subject) -> Goal | None:
    """What the fit has missed: to run at all, or to run wholly on the GPUs that are there. None: nothing."""
    fit = subject.fit
    if fit.verdict == "unknown":
        return None
    if not fit.runs:
        return "run"
    return "gpu" if subject.pool.gpus and not reaches(fit, "gpu") else None


def remedies(subject: Subject) -> Remedies | None:
    """What would help; None when nothing is missed, or not enough is known to say."""
    goal = goal_of(subject)
    if goal is None or subject.fit.way_out:
        return None
    least = subject.least(goal)
    if least is None:
        return None
    if (subject.wish.context or 0) > (subject.model.context or 1 << 62):
        # No memory helps a model beyond the context that it is made for.
        shorter = _smaller_context(subject, goal)
        return Remedies(goal=goal, lacks=None, already=(), changes=(shorter,) if shorter else ())
    return Remedies(
        goal=goal,
        lacks=max(0, shortfall(subject, goal) or 0),
        already=economies(subject, least),
        changes=tuple(change for change in _changes(subject, goal) if change is not None),
        shared=is_shared(subject, goal),
    )


def _changes(subject: Subject, goal: Goal) -> Iterator[Change | None]:
    """In the order of what they cost: an option, quality, somebody else's memory, money."""
    yield _smaller_context(subject, goal)
    for kv_type in SMALLER_CACHES:
        yield _smaller_cache(subject, goal, kv_type)
    yield _smaller_build(subject, goal)
    yield free_change(subject, goal)
    yield memory_change(subject, goal)
    yield gpu_change(subject)


def tried(
    subject: Subject,
    goal: Goal,
    kind: ChangeKind,
    text: str,
    *,
    build: Build | None = None,
    wish: Wish | None = None,
) -> Change:
    """One change, with what it saves of the shortfall, and what comes of it."""
    fit = subject.attempt(build or subject.build, subject.machine, wish or subject.wish)
    before, after = shortfall(subject, goal), shortfall(subject, goal, build=build, wish=wish)
    ok = reaches(fit, goal)
    return Change(
        kind=kind,
        text=text,
        saves=None if before is None or after is None else before - after,
        lacks=0 if ok else None if after is None else max(0, after),
        reaches=ok,
        fit=fit if ok else None,
    )


def _smaller_context(subject: Subject, goal: Goal) -> Change | None:
    """The largest smaller context that reaches the goal, else the least sensible one."""
    limit = subject.model.context
    asked = subject.wish.context or min(SMALLEST_CONTEXT, limit or SMALLEST_CONTEXT)
    most = min(asked - 1, limit or asked) // CONTEXT_STEP
    best = low = LEAST_CONTEXT // CONTEXT_STEP
    if most < low:
        return None
    while low <= most:
        middle = (low + most) // 2
        wish = replace(subject.wish, context=middle * CONTEXT_STEP)
        if reaches(subject.attempt(subject.build, subject.machine, wish), goal):
            best, low = middle, middle + 1
        else:
            most = middle - 1
    context = best * CONTEXT_STEP
    text = f"context {context:,}, not {asked:,}"
    return tried(subject, goal, "context", text, wish=replace(subject.wish, context=context))


def _smaller_cache(subject: Subject, goal: Goal, kv_type: KvType) -> Change | None:
    """A coarser KV cache than the fit may choose by itself."""
    layout = subject.layout_of(subject.build)
    chosen = subject.wish.kv_type or "q8_0"  # what the fit goes down to by itself
    if layout is None or not can_quantize_cache(layout):
        return None
    if row_bytes(32, kv_type) >= row_bytes(32, chosen):  # type: ignore[arg-type]
        return None
    text = f"KV cache {kv_type}, not {chosen}"
    return tried(subject, goal, "kv_type", text, wish=replace(subject.wish, kv_type=kv_type))


def _smaller_build(subject: Subject, goal: Goal) -> Change | None:
    """The largest smaller build that reaches the goal, else the smallest one."""
    smaller = sorted(
        (build for build in subject.losses if _size(build) < _size(subject.build)), key=_size, reverse=True
    )
    if not smaller:
        return None
    for build in smaller:
        if reaches(subject.attempt(build, subject.machine, subject.wish), goal):
            break
    text = f"build {build.quantization}, not {subject.build.quantization}"
    before, after = subject.losses.get(subject.build), subject.losses.get(build)
    cost = None if before is None or after is None else after - before
    return replace(tried(subject, goal, "build", text, build=build), quality_cost=cost)


def _size(build: Build) -> int:
    return build.size or 0
