"""How many people a plan serves, and how many GPUs a number of people needs: PURE.

    seconds per step = max(weights read once for all, arithmetic of all) + caches of all + blocks + hops

As for one conversation (`vllm_speed`), with the caches and the arithmetic of all that are computed together, and of a mixture's experts
those that at least one of them uses. Nothing of it was measured here: bands are wide. Where llama.cpp or Ollama share one engine among
several, the whole is between the speed of one (each gets a part) and that many times it.
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

from launchpad.catalog.model import Build, Model
from launchpad.fit import speed
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Band, Fit
from launchpad.fit.vllm import BACKEND, bytes_per_sequence, bytes_per_token, default_options, sized
from launchpad.fit.vllm_speed import BLOCK, HOP, SHARE
from launchpad.hardware.machine import Accelerator, Machine

ACTIVE = 0.1
EACH = 8192
READING_SPEED = 10.0  # tokens/s: faster than anybody reads
BAND = 0.5
EFFICIENCY = 0.5  # of the peak of 16-bit matrix arithmetic that a step of many reaches
# Peak of 16-bit matrix arithmetic (dense, summed in 32 bits) over that of FP32, from the makers' data sheets; at least 2 everywhere.
_MATRIX: tuple[tuple[str, float], ...] = (
    (r"B[23]00", 28.0),
    (r"A100|A30\b", 16.0),
    (r"H100|H200|GH200", 14.0),
    (r"MI3\d\d|V100|\bT4\b", 8.0),
    (r"\b(?:L4|L40S?|A10G?|A40|A2|A16)\b|RTX A\d|Ada\b|RTX PRO", 4.0),
    (r"H20\b", 3.0),
)


class Crowd(Struct, frozen=True, kw_only=True):
    """What so many people need of one plan.

    `in_flight` of them wait for an answer at the busiest moment, each with `each` tokens in the cache. `slots` is how many of those one
    replica holds at once, `replicas` and `gpus` what all of them need, `speed` what each of them gets then (tokens/s), `alone` what one
    would get. `here` is how many replicas the machine holds. `limit` says what decides the number of replicas.
    """

    people: int
    in_flight: int
    each: int
    least_speed: float
    slots: int | None
    alone: Band | None
    replicas: int | None
    speed: Band | None
    gpus_each: int
    gpus: int | None
    here: int
    enough: bool
    limit: str
    assumptions: tuple[str, ...]


class Asked(Struct, frozen=True, kw_only=True):
    """The people and what is taken for granted of them; `None` is the assumption of this module."""

    people: int
    active: float | None = None
    each: int | None = None
    least_speed: float | None = None

    @property
    def in_flight(self) -> int:
        """Conversations at the busiest moment, at least one."""
        return max(1, math.ceil(self.people * (ACTIVE if self.active is None else self.active)))


def crowd(asked: Asked, model: Model, build: Build, fit: Fit, machine: Machine) -> Crowd:
    """What these people need of this fit."""
    each = min(asked.each or EACH, fit.settings.context)
    least = READING_SPEED if asked.least_speed is None else asked.least_speed
    layout = layout_from_model(model, sized(build, model))
    engine = _Engine(fit, machine, None if isinstance(layout, UnknownFigure) else layout, each)
    slots, alone = engine.slots(), engine.speed(1)
    replicas, limit = _replicas(engine, slots, asked.in_flight, least)
    here = _here(fit, machine)
    gpus = len([name for name in fit.placement.devices if name != "cpu"])
    return Crowd(
        people=asked.people,
        in_flight=asked.in_flight,
        each=each,
        least_speed=least,
        slots=slots,
        alone=alone,
        replicas=replicas,
        speed=engine.speed(math.ceil(asked.in_flight / replicas)) if replicas else None,
        gpus_each=gpus,
        gpus=None if replicas is None else replicas * gpus,
        here=here,
        enough=replicas is not None and replicas <= here,
        limit=limit,
        assumptions=_assumptions(asked, fit, each, least),
    )


def _replicas(engine: _Engine, slots: int | None, in_flight: int, least: float) -> tuple[int | None, str]:
    """The fewest that hold all and are quick enough, and what decides."""
    if not slots:
        return (
            None,
            "no conversation of this length fits" if slots == 0 else "what the cache holds is not known",
        )
    for_memory = math.ceil(in_flight / slots)
    alone = engine.speed(1)
    if alone is None:
        return for_memory, "memory: the speed is not known"
    if alone.value < least:
        return None, f"speed: even alone one gets {alone.value:.0f} tokens/s"
    low, high = for_memory, max(for_memory, in_flight)
    while low < high:
        middle = (low + high) // 2
        found = engine.speed(math.ceil(in_flight / middle))
        if found is not None and found.value >= least:
            high = middle
        else:
            low = middle + 1
    return low, "memory" if low == for_memory else "speed"


class _Engine:
    """One replica: how many conversations it holds, and how fast each of so many is."""

    def __init__(self, fit: Fit, machine: Machine, layout: Layout | None, each: int) -> None:
        self._fit = fit
        self._layout = layout
        self._each = each
        self._cards = _cards(fit, machine)

    def slots(self) -> int | None:
        """Conversations of this length at once; None when that is not known."""
        if self._fit.backend != BACKEND:
            return max(1, self._fit.settings.context // self._each)
        if self._layout is None or not self._cards:
            return None
        where = self._fit.placement
        options = default_options(
            min(card.memory_total or 0 for card in self._cards),
            tensor_parallel=where.tensor_parallel,
            pipeline_parallel=where.pipeline_parallel,
            cache_bytes=1 if self._fit.settings.kv_type_k == "q8_0" else 2,
        )
        one = bytes_per_sequence(self._layout, options) + self._each * bytes_per_token(self._layout, options)
        cache = min(device.term("kv_cache") for device in self._fit.devices)
        return where.data_parallel * (min(options.sequences, cache // one) if one else options.sequences)

    def speed(self, number: int) -> Band | None:
        """Tokens per second of each, when so many are computed together."""
        alone = self._fit.speed.decode
        if self._fit.backend != BACKEND:
            if alone is None:
                return None
            return Band(low=alone.low / number, value=alone.value / math.sqrt(number), high=alone.high)
        if self._layout is None or not all(card.bandwidth for card in self._cards) or not self._cards:
            return None
        return speed.band(1 / self._seconds(self._layout, number), BAND)

    def _seconds(self, layout: Layout, number: int) -> float:
        """Of one step. A pipeline's stages work on a part of the conversations each, and so do copies."""
        where = self._fit.placement
        together = max(1.0, number / (where.pipeline_parallel * where.data_parallel))
        cost = speed.work(layout, self._fit.settings, self._each)
        rate = min(card.bandwidth or 0.0 for card in self._cards) * SHARE * where.tensor_parallel
        read = (cost.active_bytes + _more_experts(layout, together)) / rate
        flops = min(map(_matrix_flops, self._cards)) * EFFICIENCY * where.tensor_parallel
        arithmetic = 2 * cost.parameters_active * together / flops if flops else 0.0
        whole = where.tensor_parallel if cost.mla else 1  # a compressed cache is kept whole on each GPU
        caches = together * (cost.kv_bytes * whole + 2 * cost.state_bytes) / rate
        hops = (where.pipeline_parallel - 1) * HOP
        return max(read, arithmetic) + caches + layout.layers * BLOCK + hops


def _more_experts(layout: Layout, together: float) -> float:
    """Bytes of experts that several tokens need beside those of one: they rarely choose the same."""
    if not layout.experts:
        return 0.0
    unused = 1 - layout.experts.used / layout.experts.total
    return sum(layout.block_experts) * (unused - math.pow(unused, together))


def _matrix_flops(card: Accelerator) -> float:
    factor = next((factor for words, factor in _MATRIX if re.search(words, card.name)), 2.0)
    return (card.fp32_flops or 0.0) * factor


def _cards(fit: Fit, machine: Machine) -> list[Accelerator]:
    """The kind of GPU that the plan takes, once for each; the nodes of a cluster are alike."""
    by_index = {f"{card.vendor}:{card.index}": card for card in machine.accelerators}
    found = (by_index.get(name.rpartition("/")[2]) for name in fit.placement.devices)
    return [card for card in found if card is not None]


def _here(fit: Fit, machine: Machine) -> int:
    """How many such replicas the machine, or the cluster that it heads, holds."""
    cards = _cards(fit, machine)
    if not cards:
        return 1 if fit.runs else 0
    nodes = machine.cluster.nodes if machine.cluster else ()
    taken = {name.rpartition("/")[0] for name in fit.placement.devices}
    if len(taken) > 1:
        return len(nodes) // len(taken)
    each = [node.accelerators for node in nodes] or [machine.accelerators]
    return sum(sum(card.name == cards[0].name for card in one) // len(cards) for one in each)


def _assumptions(asked: Asked, fit: Fit, each: int, least: float) -> tuple[str, ...]:
    share = ACTIVE if asked.active is None else asked.active
    told = (
        (
            asked.active,
            f"{share * 100:g} % of the people wait for an answer at the busiest moment",
            "--active",
        ),
        (asked.each, f"each of these conversations holds {each:,} tokens", "--each"),
        (asked.least_speed, f"{least:g} tokens/s for each are enough", "--min-speed"),
    )
    found = [
        f"{text} ({'as asked' if given is not None else f'assumed; {flag}'})" for given, text, flag in told
    ]
    if fit.backend == BACKEND:
        return (*found, "speeds of many at once are computed, not measured: half to half as much again")
    return (
        *found,
        f"how {fit.backend} shares its speed among many is not known: between all for each and a part for each",
    )
