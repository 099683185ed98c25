"""One explanation: all its parts, from one subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from launchpad.catalog.model import Build
from launchpad.explain.ladder import ladder
from launchpad.explain.remedies import goal_of, remedies
from launchpad.explain.result import Change, Explanation, Rung
from launchpad.explain.sources import sources
from launchpad.explain.subject import Subject, lack, reaches
from launchpad.explain.token_time import token_costs


def explain(subject: Subject, *, reason: str, evidence: Mapping[str, Any] | None = None) -> Explanation:
    """Explain one build on one machine. `reason` says why this build; `evidence` is the catalog's for its model."""
    rungs = ladder(subject)
    return Explanation(
        machine=subject.machine,
        model=replace(subject.model, builds=()),
        build=subject.build,
        reason=reason,
        fit=subject.fit,
        quantization_loss=subject.losses.get(subject.build),
        token=token_costs(subject),
        ladder=rungs,
        remedies=remedies(subject),
        next_up=tuple(_next_up(subject, rungs)) if subject.fit.runs else (),
        sources=sources(evidence),
    )


def _next_up(subject: Subject, rungs: Sequence[Rung]) -> Iterator[Change]:
    """What the next larger context and the next larger build would need, where the goal itself is reached."""
    if goal_of(subject) is not None:
        return
    context = _larger_context(subject, rungs)
    if context:
        yield context
    larger = [build for build in subject.losses if _is_more(subject, build)]
    if larger:
        yield _larger_build(subject, min(larger, key=lambda build: build.size or 0))


def _is_more(subject: Subject, build: Build) -> bool:
    """True for a larger file that keeps more: of some models a file of two bits is larger than one of five."""
    loss, own = subject.losses[build], subject.losses.get(subject.build)
    keeps = loss is None or own is None or loss <= own
    return keeps and (build.size or 0) > (subject.build.size or 0)


def _larger_context(subject: Subject, rungs: Sequence[Rung]) -> Change | None:
    """The next context on the ladder that cannot run where this one does."""
    now = subject.fit.settings
    for rung in rungs:
        if rung.kv_type != now.kv_type_k or rung.context <= now.context:
            continue
        if rung.verdict == "no" or rung.placement.kind != subject.fit.placement.kind:
            wish = replace(subject.wish, context=rung.context, kv_type=rung.kv_type)
            fit = subject.attempt(subject.build, subject.machine, wish)
            ok = reaches(fit, "run")
            text = f"context {rung.context:,}"
            return Change(
                kind="context", text=text, lacks=rung.lacks or None, reaches=ok, fit=fit if ok else None
            )
    return None


def _larger_build(subject: Subject, build: Build) -> Change:
    fit = subject.attempt(build, subject.machine, subject.wish)
    ok = reaches(fit, "run")
    more = (build.size or 0) - (subject.build.size or 0)
    return Change(
        kind="build",
        text=f"build {build.quantization}",
        saves=-more,
        lacks=0 if ok else lack(fit),
        reaches=ok,
        fit=fit if ok else None,
    )
