"""What a candidate is worth for a wish: PURE. The reasons behind each figure: docs/explanation/choice.md.

*Score*: the quality to expect at least, in points of 0 to 100: the model's quality, less what the quantization costs,
less one standard error of both. *Worth*: the score, less what waiting, a short context and a full memory cost the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot, log2

from msgspec import Struct

from launchpad.catalog.model import Model
from launchpad.choice.candidate import Candidate
from launchpad.fit.result import Fit
from launchpad.wish import Purpose, Wish

MIN_SPEED: dict[Purpose, float] = {
    "chat": 5.0,
    "code": 5.0,
    "reasoning": 10.0,
    "vision": 5.0,
    "tools": 5.0,
    "multilingual": 5.0,
}
"""Least decode tokens/s by purpose: people read 5 to 7 tokens/s, and reasoning writes pages before it answers."""

COMFORT: dict[Purpose, float] = {
    "chat": 12.0,
    "code": 15.0,
    "reasoning": 15.0,
    "vision": 12.0,
    "tools": 15.0,
    "multilingual": 12.0,
}
"""Tokens/s from which on more speed is worth nothing to the choice: about twice what people read, or wait for."""

THINKING_FACTOR = 2.5
"""A model that thinks before it answers writes several times the tokens: its speed counts divided by this, less than the
tokens alone would say, because the thoughts can be read meanwhile. Who asks for reasoning waits for it: there it is 1."""

WITHOUT_THINKING = 0.8
"""Share of its quality that a model keeps with thinking off, where only the value with thinking was measured: the
median over the 58 models of the catalog of 2026-10-09 that are rated both ways (quartiles 0.72 and 0.91)."""

ENOUGH_CONTEXT: dict[Purpose, int] = {
    "chat": 8192,
    "code": 16384,
    "reasoning": 16384,
    "vision": 8192,
    "tools": 16384,
    "multilingual": 8192,
}
"""Tokens from which on more context is worth nothing to the choice, where the wish names none."""

LONG_ANSWERS: frozenset[Purpose] = frozenset({"code", "reasoning", "tools"})
"""Purposes whose answers are long chains, like all thinking. What quantization costs was measured on single answers; chains
suffer more from it, nobody knows how much, so that the loss itself joins its uncertainty."""

UNSEEN_SPREAD = 6.0
"""Standard error, in points, of taking the general figure of a model specialized in code for its conversation, where that
was not measured."""

SLOW_COST = 5.0
"""Points that each halving of the speed below the comfortable one costs."""

READING = 10.0
"""Tokens/s that text should arrive with at least, thoughts or answer: as fast as people read. Below they wait for each line."""

READING_COST: dict[Purpose, float] = {
    "chat": 3.0,
    "code": 4.0,
    "reasoning": 4.0,
    "vision": 3.0,
    "tools": 4.0,
    "multilingual": 3.0,
}
"""Points that each halving of the speed below the reading one costs on top."""

SHORT_COST = 4.0
"""Points that each halving of the context below the sufficient one costs."""

SUPPOSED_READS: dict[str, float] = {"cpu": 20e9, "partial": 20e9, "gpu": 150e9}
"""Bytes/s that a memory whose bandwidth is not known is supposed to deliver: two channels of DDR4, the slowest cards with a
memory of their own. For the costs, as an unknown speed that costs nothing would make the largest model win, and for a least
speed that is stated. None is shown."""

FULL_COST = 5.0
"""Points that a full memory costs: another program, and the machine swaps or the engine dies."""

ROOM = 1 << 30
"""Bytes of main memory, beyond the system's reserve, below which it counts as full: what a few web pages take."""

UNRATED = 50.0
"""Quality by which the builds of one model that nobody rated are compared with each other, and with nothing else."""


class Rated(Struct, frozen=True):
    """A candidate, what it scores and is worth, and what stands against it: from the machine, or from the wish.

    `score` is None for what is not rated; `speed` is in tokens/s.
    """

    candidate: Candidate
    score: float | None
    worth: float
    thinking: bool
    speed: float | None
    obstacle: str | None


def rate(candidate: Candidate, wish: Wish) -> Rated:
    """Score the candidate in the way of answering, with or without thinking, that is worth most here."""
    decode = candidate.fit.speed.decode
    speed = decode.value if decode else None
    return max(
        (_rate(candidate, wish, speed, thinking) for thinking in _ways_to_answer(candidate.model)),
        key=lambda rated: (rated.obstacle is None, rated.worth),
    )


def possible_score(
    model: Model, purpose: Purpose, quantization_loss: float | None, quantization_spread: float
) -> float | None:
    """The score that no fit can raise. None for what is not rated."""
    scores = [
        score
        for thinking in _ways_to_answer(model)
        if (score := _score(model, purpose, thinking, quantization_loss, quantization_spread)) is not None
    ]
    return max(scores, default=None)


def ceiling(model: Model, purpose: Purpose) -> float | None:
    """What no build of the model can be worth more than, on any machine. None for a model that is not rated."""
    quality = model.quality
    if quality is None:
        return None
    value = quality.of(purpose)
    fast = quality.value_fast or 0.0
    if fast > quality.value:  # more thought made it worse
        value *= fast / quality.value if quality.value else 1.0
    return max(0.0, value - quality.spread)


def minimum_speed(wish: Wish) -> float:
    """The least decode speed in tokens/s that the wish accepts."""
    return wish.min_speed if wish.min_speed is not None else MIN_SPEED[wish.purpose]


def _style(model: Model) -> str:
    return (model.capabilities.thinking or "none").split(",")[0]


def _ways_to_answer(model: Model) -> tuple[bool, ...]:
    """Whether to think, in order of preference. Effort levels are no third way: no engine here sets them alike."""
    return {"always": (True,), "switchable": (True, False)}.get(_style(model), (False,))


def _rate(candidate: Candidate, wish: Wish, speed: float | None, thinking: bool) -> Rated:
    loss, loss_spread = candidate.quantization_loss, candidate.quantization_spread
    score = _score(candidate.model, wish.purpose, thinking, loss, loss_spread)
    base = score if score is not None else 0.0 if loss is None else UNRATED * (1.0 - loss)
    slowdown = _slowdown(wish, thinking)
    counted = _supposed(candidate) if speed is None else speed
    pace = None if counted is None else counted / slowdown
    obstacle = next(_obstacles(candidate, wish, counted, pace, supposed=speed is None), None)
    cost = _costs(candidate, wish, counted, pace)
    return Rated(candidate, score, base - cost, thinking, speed, obstacle)


def _supposed(candidate: Candidate) -> float | None:
    """Tokens/s to count the costs of an unknown speed with: what reading the active weights would take. None for a
    model whose size or whereabouts are not known either."""
    model, size = candidate.model, candidate.build.size
    reads = SUPPOSED_READS.get(candidate.fit.placement.kind)
    if not (size and reads):
        return None
    active = (model.parameters_active or 0.0) / (model.parameters or 1.0) or 1.0
    return reads / (size * min(active, 1.0))


def _slowdown(wish: Wish, thinking: bool) -> float:
    return THINKING_FACTOR if thinking and wish.purpose != "reasoning" else 1.0


def _score(
    model: Model, purpose: Purpose, thinking: bool, loss: float | None, loss_spread: float
) -> float | None:
    """A lower bound of the quality to expect; None when the model or its quantization is not rated."""
    quality = model.quality
    if quality is None or loss is None:
        return None
    value = quality.of(purpose)
    if not thinking and _style(model) == "switchable":
        fast = quality.value_fast if quality.value_fast is not None else WITHOUT_THINKING * quality.value
        value *= fast / quality.value if quality.value else 1.0
    if thinking or purpose in LONG_ANSWERS:
        loss_spread += loss
    unseen = UNSEEN_SPREAD if _unseen_in_conversation(model, purpose) else 0.0
    return max(0.0, value * (1.0 - loss) - hypot(quality.spread, value * loss_spread, unseen))


def _unseen_in_conversation(model: Model, purpose: Purpose) -> bool:
    measured = model.quality is not None and model.quality.chat is not None
    return purpose in ("chat", "multilingual") and bool(model.capabilities.code) and not measured


def _costs(candidate: Candidate, wish: Wish, speed: float | None, pace: float | None) -> float:
    """What using it costs, in points of quality. `speed` as the text arrives, `pace` with thinking counted in."""
    fit = candidate.fit
    if not fit.runs:
        return 0.0
    cost = FULL_COST if is_full(fit) else 0.0
    if speed is not None and pace is not None:
        cost += SLOW_COST * _halvings(_comfortable(wish), pace)
        cost += 0.0 if wish.min_speed else READING_COST[wish.purpose] * _halvings(READING, speed)
    if wish.context is None:
        cost += SHORT_COST * _halvings(ENOUGH_CONTEXT[wish.purpose], fit.settings.context)
    return cost


def is_full(fit: Fit) -> bool:
    """Whether it leaves a device without the usual margin, or main memory without room for another program."""
    spares = (device.spare for device in fit.devices if device.device == "cpu")
    rooms = spares if fit.room is None else (fit.room,)
    return fit.verdict == "tight" or any(room is not None and room < ROOM for room in rooms)


def _comfortable(wish: Wish) -> float:
    """The pace above which faster is not better. Who states a least speed has said what is quick enough."""
    return wish.min_speed if wish.min_speed else COMFORT[wish.purpose]


def _halvings(enough: float, there: float) -> float:
    return max(0.0, log2(enough / max(there, 1e-3)))


def _obstacles(
    candidate: Candidate, wish: Wish, speed: float | None, pace: float | None, *, supposed: bool
) -> Iterator[str]:
    """What stands against running this candidate here, first things first. `supposed`: the speed is none that is known."""
    fit, build = candidate.fit, candidate.build
    if fit.elsewhere:
        yield from _obstacles_elsewhere(candidate, wish)
    elif not fit.runs:
        yield fit.why or "it does not fit"
    if wish.require_gpu and fit.placement.kind != "gpu" and not fit.elsewhere:
        yield "it would not run wholly on a GPU"
    if supposed:
        yield from _obstacles_unknown(candidate, wish, speed)
    elif speed is not None and pace is not None:
        least = minimum_speed(wish)
        if speed < least:
            yield f"about {_below(speed, least)} tokens/s here, below {figure(least)}"
        thought_least = min(least, MIN_SPEED[wish.purpose])
        if pace < thought_least:
            yield (
                f"about {_below(speed, thought_least * speed / pace)} tokens/s here, and it thinks before it answers: "
                f"below {figure(thought_least * speed / pace)}"
            )
    if wish.max_download is not None and candidate.availability.local is None:
        if build.size is None:
            yield "how large its download is, is not known"
        elif build.size > wish.max_download:
            most = wish.max_download
            limit = f"{most / 1e9:.1f} GB" if most >= 1e8 else f"{most:,} bytes"
            yield f"a download of {build.size / 1e9:.1f} GB is above the limit of {limit}"


def _obstacles_unknown(candidate: Candidate, wish: Wish, speed: float | None) -> Iterator[str]:
    """A least speed that somebody asked for holds against a supposed one, too; the usual one does not."""
    if not wish.min_speed or candidate.fit.elsewhere:
        return
    if speed is None:
        yield "its speed here is not known"
    elif speed < wish.min_speed:
        about, least = _below(speed, wish.min_speed), figure(wish.min_speed)
        yield f"its speed here is not known; with a slow memory it is about {about} tokens/s, below {least}"


def _below(speed: float, least: float) -> str:
    """Two digits, or as many as show that it is below `least`."""
    return next(
        (text for digits in (2, 3, 4) if (text := figure(speed, digits)) != figure(least)), figure(speed, 5)
    )


def figure(number: float, digits: int = 2) -> str:
    """A number with so many digits that mean something; those before the point are written in any case."""
    return f"{number:,.{max(0, digits - len(str(int(number))))}f}" if number >= 10 else f"{number:.{digits}g}"


def _obstacles_elsewhere(candidate: Candidate, wish: Wish) -> Iterator[str]:
    """Another machine is used where it was asked for: for what it has already, or for a model that the user names."""
    why = candidate.fit.why or "it would run on another machine"
    if candidate.build.format == "served" and wish.model == candidate.build.ref:
        return  # `NAME://model` names the server, too
    if wish.backend != candidate.fit.backend:
        yield f"{why}; --backend {candidate.fit.backend} uses it all the same"
    elif (wish.model is None or wish.model.startswith("auto")) and candidate.availability.local is None:
        yield f"{why}, and the model is not there yet"
