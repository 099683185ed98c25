"""Which contexts fit, with which type of KV cache, and how fast they are once they are full."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.explain.result import Rung
from launchpad.explain.subject import Subject, lack
from launchpad.explain.token_time import full_depth, token_cost
from launchpad.fit.layout import Layout
from launchpad.fit.placement import can_quantize_cache
from launchpad.fit.result import KvType

KV_TYPES: tuple[KvType, ...] = ("f16", "q8_0", "q4_0")
FIRST = 4096
MOST_WHEN_UNKNOWN = 32768


def contexts(most: int | None, used: int | None = None) -> tuple[int, ...]:
    """4,096, 8,192 and so on up to the model's own limit, and the context in use."""
    most = most or MOST_WHEN_UNKNOWN
    rungs = {most}
    step = FIRST
    while step < most:
        rungs.add(step)
        step *= 2
    if used and used <= most:
        rungs.add(used)
    return tuple(sorted(rungs))


def ladder(subject: Subject) -> tuple[Rung, ...]:
    """Every context with every type of cache, in order; empty when the model's shape is unknown, or no memory would help."""
    layout = subject.layout_of(subject.build)
    if layout is None or subject.fit.way_out:
        return ()
    types = KV_TYPES if can_quantize_cache(layout) else KV_TYPES[:1]
    most = subject.model.context
    if most and subject.wish.parallel:
        most *= subject.wish.parallel
    used = subject.wish.context or (subject.fit.settings.context if subject.fit.runs else None)
    columns = [
        _marked([_rung(subject, layout, context, kv_type) for context in contexts(most, used)])
        for kv_type in types
    ]
    return tuple(rung for row in zip(*columns, strict=True) for rung in row if rung is not None)


def _rung(subject: Subject, layout: Layout, context: int, kv_type: KvType) -> Rung | None:
    wish = replace(subject.wish, context=context, kv_type=kv_type)
    fit = subject.attempt(subject.build, subject.machine, wish)
    if fit is None:
        return None
    full = token_cost(subject, layout, fit, full_depth(fit.settings))
    return Rung(
        context=context,
        kv_type=kv_type,
        verdict=fit.verdict,
        needs=fit.total,
        lacks=lack(fit) or 0,
        placement=fit.placement,
        decode=full.speed if full else None,
    )


def _marked(rungs: list[Rung | None]) -> list[Rung | None]:
    """The column with its largest context that runs marked."""
    last = max(
        (i for i, rung in enumerate(rungs) if rung and rung.verdict in ("fits", "tight")), default=None
    )
    return [replace(rung, largest=True) if rung and i == last else rung for i, rung in enumerate(rungs)]
