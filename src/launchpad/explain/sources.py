"""What a model's figures rest on, from the catalog's evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.explain.result import Score, Sources


def sources(evidence: Mapping[str, Any] | None) -> Sources:
    """The evidence of one model, as `catalog.load.load_evidence` returns it."""
    if evidence is None:
        return Sources()
    return Sources(
        scores=tuple(_score(entry) for entry in evidence.get("scores") or ()),
        license=tuple(evidence.get("license_evidence") or ()),
        parameters=_parameters(evidence.get("params_evidence") or ()),
        shape=evidence.get("architecture_source"),
        released=evidence.get("release_date_source"),
        notes=(*(evidence.get("architecture_notes") or ()), *(evidence.get("notes") or ())),
    )


def _score(entry: Mapping[str, Any]) -> Score:
    return Score(
        benchmark=entry["benchmark"],
        value=float(entry["value"]),
        unit=entry.get("unit"),
        setting=entry.get("variant"),
        kind=entry.get("kind"),
        source=entry.get("source"),
        date=entry.get("date"),
        estimated=bool(entry.get("estimated")),
    )


def _parameters(entries: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """One text for each count, with all that state it."""
    sources: dict[str, list[str]] = {}
    for entry in entries:
        total, active = entry.get("total_b"), entry.get("active_b")
        counts = [f"{count:g} B{what}" for count, what in ((total, ""), (active, " active")) if count]
        sources.setdefault(", ".join(counts) or "not stated", []).append(str(entry.get("source")))
    return tuple(f"{counts} ({', '.join(names)})" for counts, names in sources.items())
