"""What a model's figures rest on, as lines for people: every score with its source and date."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from textwrap import wrap
from typing import get_args

from launchpad.cli.render import license_text, score
from launchpad.explain.result import Explanation, Score
from launchpad.wish import Purpose

INDENT = "  "
TOGETHER = "\0"  # stands for a space between a benchmark and its value, which belong on one line


def cited(found: Explanation, width: int) -> list[tuple[str, list[str]]]:
    """Headings, each with its lines, wrapped to `width` columns."""
    sections = [
        (_quality_heading(found), _quality(found, width)),
        (f"license: {_terms(found)}", _license(found, width)),
        ("answers best with", _defaults(found, width)),
        ("size and shape", _figures(found, width)),
    ]
    return [
        (heading, lines) for heading, lines in sections if lines or heading.startswith(("quality", "license"))
    ]


def _quality_heading(found: Explanation) -> str:
    quality = found.model.quality
    if quality is None:
        return "quality: not yet rated"
    thin = ": thin evidence" if quality.thin else ""
    return f"quality: {quality.value:.0f} ± {quality.spread:.0f} of 100, from {quality.measurements} results{thin}"


def _quality(found: Explanation, width: int) -> list[str]:
    """The figure by purpose, what the quantization takes of it, and the results that it comes from."""
    quality = found.model.quality
    parts = []
    if quality is not None:
        own = {purpose: quality.own(purpose) for purpose in get_args(Purpose)}
        parts = [f"{name} {value:.0f}" for name, value in own.items() if value is not None]
        general = [name for name, value in own.items() if value is None]
        parts.append(f"{', '.join(general)} by the general figure")
        if quality.value_fast is not None and quality.value_fast != quality.value:
            parts.append(f"{score(quality.value_fast)} without thinking or with little")
        loss, name = found.quantization_loss, found.build.quantization
        parts.append(
            f"{name}: its cost is not measured" if loss is None else f"{name} costs {_percent(loss)}"
        )
    return [*_wrapped([", ".join(parts)], width), *_scores(found.sources.scores, width)]


def _percent(share: float) -> str:
    return "nothing of it" if share == 0 else f"{share * 100:.2g} % of it"


def _scores(scores: Iterable[Score], width: int) -> list[str]:
    """One paragraph for each origin: its results, then setting, kind, date and source."""
    paragraphs = []
    for origin, group in groupby(sorted(scores, key=_origin), key=_origin):
        kind, source, date, setting = origin
        results = ", ".join(_result(one) for one in group)
        paragraphs.append(f"{results} ({', '.join(part for part in (setting, kind, date, source) if part)})")
    return [line.replace(TOGETHER, " ") for line in _wrapped(paragraphs, width)]


def _origin(one: Score) -> tuple[str, str, str, str]:
    return one.kind or "", one.source or "source not recorded", one.date or "", one.setting or ""


def _result(one: Score) -> str:
    plain = one.unit is None or one.unit == "%" or one.unit.startswith("index")
    text = f"{one.benchmark} {one.value:g}{'' if plain else f' {one.unit}'}"
    return f"{text}{' [estimated]' if one.estimated else ''}".replace(" ", TOGETHER)


def _terms(found: Explanation) -> str:
    return license_text(found.model.license).removeprefix("license ")


def _license(found: Explanation, width: int) -> list[str]:
    terms, evidence = found.model.license, found.sources.license
    lines = [f"commercial use: {terms.commercial}"] if terms.commercial else []
    lines.append(f"evidence: {'; '.join(evidence)}" if evidence else "no evidence recorded")
    return _wrapped(lines, width)


def _defaults(found: Explanation, width: int) -> list[str]:
    defaults = found.model.defaults
    if defaults is None:
        return []
    values = {
        "temperature": defaults.temperature,
        "top-p": defaults.top_p,
        "top-k": defaults.top_k,
        "min-p": defaults.min_p,
    }
    lines = [", ".join(f"{name} {value:g}" for name, value in values.items() if value is not None)]
    if defaults.system:
        lines.append(f"system prompt: {defaults.system}")
    return _wrapped([line for line in (*lines, f"evidence: {defaults.source}") if line], width)


def _figures(found: Explanation, width: int) -> list[str]:
    known = found.sources
    lines = [f"parameters: {'; '.join(known.parameters)}"] if known.parameters else []
    lines += [f"shape: {known.shape}"] if known.shape else []
    lines += [f"released {found.model.released or '?'}: {known.released}"] if known.released else []
    return _wrapped([*lines, *(f"note: {line}" for line in known.notes)], width)


def _wrapped(lines: Iterable[str], width: int) -> list[str]:
    return [
        part
        for line in lines
        for part in wrap(line, width - 2, subsequent_indent=INDENT, break_on_hyphens=False)
    ]
