"""Where the time of a token goes, at one depth of the conversation."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.explain.result import TokenCost
from launchpad.explain.subject import Subject
from launchpad.fit.estimate import Aside, Part, aside, decode, token_times
from launchpad.fit.layout import Layout
from launchpad.fit.result import Band, Fit, Settings
from launchpad.fit.speed import TYPICAL_DEPTH, TokenTime, work

AGREEMENT = (
    0.01  # a backend whose own speed differs by more than this has laws of its own, which these parts are not
)


def token_costs(subject: Subject) -> tuple[TokenCost, ...]:
    """The cost of a token early in a conversation and with a full context; empty where it is not known.

    Parts are shown only where they add up to the speed that the fit states.
    """
    fit = subject.fit
    stated = fit.speed.decode
    layout = subject.layout_of(subject.build)
    if layout is None or stated is None:
        return ()
    early = token_cost(subject, layout, fit, TYPICAL_DEPTH)
    if early is None or abs(early.speed.value / stated.value - 1) > AGREEMENT:
        return ()
    deepest = full_depth(fit.settings)
    if deepest <= TYPICAL_DEPTH:
        return (early,)
    full = token_cost(subject, layout, fit, deepest)
    return (early, full) if full else (early,)


def full_depth(settings: Settings) -> int:
    """The tokens that one conversation can hold: slots share the context, unless it is unified."""
    return settings.context if settings.kv_unified else settings.context // settings.parallel


def token_cost(subject: Subject, layout: Layout, fit: Fit, depth: int) -> TokenCost | None:
    """The cost of one token with `depth` tokens before it; None when a device's bandwidth is unknown.

    What earlier launches taught about this machine changes all parts alike.
    """
    if not fit.runs:
        return None
    settings, cpu = fit.settings, subject.machine.cpu
    parts = _parts(subject, fit)
    cost = work(layout, settings, depth)
    left = aside(layout, settings) if parts else Aside()
    repacked = settings.repack and layout.repack > 0
    times = token_times(cost, parts, cpu, left=left, repacked=repacked)
    speed = decode(cost, parts, cpu, left=left, repacked=repacked)
    if times is None or speed is None:
        return None
    return TokenCost(
        depth=min(depth, settings.context),
        weights_read=cost.active_bytes,
        kv_read=cost.kv_bytes,
        times=tuple(_learned_time(fit, time) for time in times),
        speed=_learned_speed(fit, speed, depth),
    )


def _parts(subject: Subject, fit: Fit) -> list[Part]:
    """The accelerators that the fit uses, each with its part of the blocks."""
    split = fit.settings.tensor_split
    return [
        Part(
            accelerator=usable.accelerator,
            api=usable.gpu.api,
            share=split[index] if index < len(split) else 1.0,
            engine=fit.backend,
        )
        for index, usable in enumerate(subject.pool.gpus)
        if usable.gpu.device in fit.placement.devices
    ]


def _learned_time(fit: Fit, time: TokenTime) -> TokenTime:
    factor = fit.speed.learned.decode if fit.speed.learned else 1.0
    return replace(
        time,
        weights=time.weights / factor,
        kv_cache=time.kv_cache / factor,
        recurrent_state=time.recurrent_state / factor,
        kernels=time.kernels / factor,
    )


def _learned_speed(fit: Fit, band: Band, depth: int) -> Band:
    """The law's speed, or with what was learned: that times the factor, with the range that the fit states.

    What was measured at one depth is only a correction at another.
    """
    stated = fit.speed.decode
    if fit.speed.learned is None or stated is None:
        return band
    value = band.value * fit.speed.learned.decode
    return Band(
        low=value * stated.low / stated.value,
        value=value,
        high=value * stated.high / stated.value,
        basis=stated.basis if depth == TYPICAL_DEPTH else "calibrated",
    )
