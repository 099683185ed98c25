"""Turn the published scores of a record into observations that can be compared.

An observation says: this model in this setting scored `value` on this instrument. An instrument is a benchmark *as one
party measures it*: a maker's own GPQA figure and an independent laboratory's are two instruments, because their prompts,
sampling and incentives differ. No figure here looks at a model's size, name, lab or date.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Setting = str  # "best", "fast", or "effort:<label>" for the settings in between
Group = Literal["chat", "reasoning", "tools"]
Purpose = Literal["chat", "code", "reasoning", "tools"]

INDEX = "Artificial Analysis Intelligence Index"
MAKER = "the model's maker"

# Figures that are only sums of other scores in the same data, and the rescaled index, which has too few models.
EXCLUDED = {
    "Artificial Analysis Coding Index",
    "Artificial Analysis Math Index",
    "Artificial Analysis Agentic Index",
    "Artificial Analysis Intelligence Index (rescaled in September 2026)",
}

# Share of answers that guessing gets right, as the benchmarks' own papers or boards state it.
CHANCE = {
    "GPQA Diamond": 0.25,
    "GPQA (Open LLM Leaderboard v2)": 0.25,
    "MMLU": 0.25,
    "MMLU-Pro": 0.10,
    "MMLU-Pro (Open LLM Leaderboard v2)": 0.10,
    "BBH (Open LLM Leaderboard v2)": 0.30,
    "MuSR (Open LLM Leaderboard v2)": 0.34,
    "Humanity's Last Exam": 0.04,
}

# Benchmarks that rise and fall together beyond general ability: found by correlating the residuals of the fit, kept
# because the group's own figure predicts held-back scores better (quality_report.py). Programming is none of them:
# contest problems go with mathematics, terminal work with tools, and no code group passed that test. See `CODE`.
GROUPS: Mapping[str, Group] = {
    "AIME 2024": "reasoning",
    "AIME 2025": "reasoning",
    "MATH-500": "reasoning",
    "MATH": "reasoning",
    "MATH level 5 (Open LLM Leaderboard v2)": "reasoning",
    "LiveCodeBench": "reasoning",
    "LiveCodeBench v6": "reasoning",
    "Humanity's Last Exam": "reasoning",
    "Terminal-Bench Hard": "tools",
    "tau2-bench Telecom": "tools",
    "BFCL v4 overall": "tools",
    "SWE-bench Verified": "tools",
    "LMArena text (Elo)": "chat",
    "LiveBench global average": "chat",
    "LiveBench": "chat",
    "MMLU-Pro": "chat",
    "MMLU": "chat",
}

# What working on code takes, and the ability that predicts each benchmark of it best (None: the general one). Code is no group of
# its own, so its figure is the mean of these abilities; quality_report.py compares it with the general figure.
CODE: Mapping[str, Group | None] = {
    "LiveCodeBench": "reasoning",
    "LiveCodeBench v6": "reasoning",
    "SciCode": None,
    "HumanEval": None,
    "Aider polyglot": None,
    "Terminal-Bench Hard": "tools",
    "SWE-bench Verified": "tools",
}

_EFFORT = {
    "non-reasoning": 0,
    "low": 2,
    "medium": 3,
    "default": 4,
    "reasoning": 4,
    "high": 5,
    "reasoning, high effort": 5,
    "xhigh": 6,
    "max": 7,
    "reasoning, max effort": 7,
}
_PARTIES = {
    "Open LLM Leaderboard": "Open LLM Leaderboard",
    "LMArena": "LMArena",
    "LiveBench": "LiveBench",
    "BFCL": "Berkeley Function Calling Leaderboard",
    "Aider": "Aider",
}
_FAST = re.compile(r"no[- ]?think|non[- ]?(think|reason)|reasoning off|thinking off", re.IGNORECASE)
_THINK = re.compile(r"think|reason", re.IGNORECASE)
_MIN_SCORES = 3  # an effort level with fewer scores does not stand for the model
_RELEASE = re.compile(r"release (\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class Observation:
    """One score. `value` is a fraction of 1 (ratings: points / 1000); `noise` multiplies the instrument's own noise."""

    model: str
    setting: Setting
    instrument: str
    benchmark: str
    value: float
    noise: float
    rating: bool = False

    @property
    def entity(self) -> tuple[str, Setting]:
        """What is measured: a model in a setting."""
        return (self.model, self.setting)


def observations(records: Iterable[Mapping[str, Any]]) -> list[Observation]:
    """All usable scores of all records; several of one entity on one instrument are averaged."""
    grouped: dict[tuple[str, Setting, str], list[Observation]] = defaultdict(list)
    for record in records:
        for found in _of_record(record):
            grouped[(found.model, found.setting, found.instrument)].append(found)
    return [_average(group) for _, group in sorted(grouped.items())]


def _average(group: list[Observation]) -> Observation:
    value = sum(found.value for found in group) / len(group)
    noise = min(found.noise for found in group)
    first = group[0]
    return Observation(
        first.model, first.setting, first.instrument, first.benchmark, value, noise, first.rating
    )


def _of_record(record: Mapping[str, Any]) -> Iterable[Observation]:
    scores = [score for score in record["scores"] or () if score["benchmark"] not in EXCLUDED]
    labels = _labels(record, scores)
    newest = {
        _series(score): max(s["date"] for s in scores if _series(s) == _series(score)) for score in scores
    }
    for score in scores:
        # The index and the arena are republished: only the newest figure of a series counts.
        if score["benchmark"] in (INDEX, "LMArena text (Elo)") and score["date"] != newest[_series(score)]:
            continue
        setting, certain = _setting(record, score, labels)
        rating = score["unit"] == "rating"
        yield Observation(
            record["id"],
            setting,
            instrument(score),
            score["benchmark"],
            _value(score),
            _noise(score) * (1.0 if certain else 1.5),
            rating,
        )


def _series(score: Mapping[str, Any]) -> tuple[str, str | None]:
    return (score["benchmark"], score.get("variant") if score["benchmark"] == INDEX else None)


def _value(score: Mapping[str, Any]) -> float:
    value = float(score["value"])
    if score["unit"] == "rating":
        return value / 1000
    if score["benchmark"] == INDEX and score["date"] < "2026-08":
        # The publisher's scale moved between the two days; straight line through 150 models measured on both.
        value = 1.0379 * value - 0.472
    return value / 100


def _noise(score: Mapping[str, Any]) -> float:
    if score.get("estimated"):
        return 2.0  # the publisher's estimate, not a measurement
    return 1.5 if "second hand" in score["kind"] else 1.0


def instrument(score: Mapping[str, Any]) -> str:
    """Name of the instrument that produced `score`."""
    name = str(score["benchmark"])
    if name.startswith("LiveBench") and (release := _RELEASE.search(score.get("variant") or "")):
        name = f"{name} {release[1]}"  # the questions change with each release
    return f"{name}, self-reported" if score["kind"].startswith("self-reported") else name


def party(name: str) -> str:
    """Who measured on the instrument called `name`. One party's errors go together."""
    if name.endswith(", self-reported"):
        return MAKER
    for key, known in _PARTIES.items():
        if key in name:
            return known
    return "Artificial Analysis"


def _labels(record: Mapping[str, Any], scores: list[Mapping[str, Any]]) -> dict[str, Setting]:
    """Effort labels of the record's independent scores, mapped to settings."""
    counts = Counter(
        label
        for score in scores
        if score.get("slug") and (label := (score.get("variant") or "").lower()) in _EFFORT
    )
    if not counts:
        return {}
    by_effort = sorted(counts, key=lambda label: (_EFFORT[label], label))
    solid = [label for label in by_effort if counts[label] >= _MIN_SCORES] or by_effort
    best = solid[-1]
    settings: dict[str, Setting] = {label: f"effort:{label}" for label in by_effort}
    if _EFFORT[by_effort[0]] <= 2 and record["capabilities"]["thinking"] != "none":
        settings[by_effort[0]] = "fast"
    if _EFFORT[best] > 0 or record["capabilities"]["thinking"] in ("none", None):
        settings[best] = "best"
    return settings


def _setting(
    record: Mapping[str, Any], score: Mapping[str, Any], labels: Mapping[str, Setting]
) -> tuple[Setting, bool]:
    """The setting of a score, and whether its source says so."""
    variant = score.get("variant") or ""
    thinking = record["capabilities"]["thinking"]
    if score.get("slug") and variant.lower() in labels:
        return labels[variant.lower()], True
    if thinking in ("none", None) or thinking.startswith("always"):
        return "best", True
    if _FAST.search(variant):
        return "fast", True
    return "best", bool(_THINK.search(variant))
