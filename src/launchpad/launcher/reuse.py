"""An engine that is loaded already, for a wish or for a plan: nothing is looked at but the records of kept engines.

A kept engine serves a wish when it was started for the same one, or for a plan that asks for no more than it has. Its
file must be the one that it loaded, and after the computer slept it must prove that it still answers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from launchpad.catalog.reference import parse
from launchpad.config import named_program
from launchpad.engines import kept, registry, stopping
from launchpad.engines.clock import SLEPT, asleep
from launchpad.events import Notice
from launchpad.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launchpad.engines.kept import KeptServer
    from launchpad.events import Report
    from launchpad.plan import StartStep
    from launchpad.wish import Wish


def for_wish(wish: Wish, report: Report) -> tuple[Plan, KeptServer] | None:
    """A loaded engine that was started for this wish and has the context that it asks for; attached."""
    for record in kept.usable():
        plan = stored_plan(record.token)
        if plan is None or not _same(plan, wish) or not _holds(record, plan, wish):
            continue
        if plan.start.program != named_program(plan.start.backend):
            continue
        server = _attached(record, plan, report)
        if server is not None:
            return plan, server
    return None


def for_plan(plan: Plan, report: Report) -> KeptServer | None:
    """A loaded engine that does what the plan would start one for; attached."""
    wanted = plan.start
    for record in kept.usable():
        had = stored_plan(record.token)
        if had is None or plan.pull is not None or had.start.model_path != wanted.model_path:
            continue
        if _named(had.start) != _named(wanted):
            continue
        if wanted.web_ui and not had.start.web_ui:
            continue
        if not _has_gpu(record, plan.wish):
            continue
        if had.start.settings.context < wanted.settings.context or not _alike(had, plan):
            continue
        if server := _attached(record, had, report):
            return server
    return None


def stored_plan(token: str) -> Plan | None:
    """The plan that a kept engine was started from; None when it cannot be read (any more)."""
    data = kept.plan_of(token)
    try:
        return msgspec.json.decode(data, type=Plan) if data else None
    except msgspec.MsgspecError:
        return None


def _named(start: StartStep) -> tuple[object, ...]:
    """What must be the same: the build, the engine that the user named, where it runs, and every file beside the model."""
    beside = (start.projector_path, start.draft_path, start.loras)
    return start.build, start.backend, start.program, start.cluster, *beside


def _files(start: StartStep) -> Iterator[str]:
    """What the engine was made of, as far as the user may have replaced it since."""
    named = (start.model_path, start.projector_path, start.draft_path, *start.loras)
    yield from (path for path in named if path is not None)
    if start.program and os.sep in start.program:
        yield start.program


def _alike(had: Plan, plan: Plan) -> bool:
    """Settings that were asked for by name must be equal; others may be as the plan of that time had them."""
    if (plan.wish.kv_type, plan.wish.parallel, plan.wish.ubatch) == (None, None, None):
        return True
    return replace(had.start.settings, context=plan.start.settings.context) == plan.start.settings


def _is_auto(text: str | None) -> bool:
    return text is None or parse(text).kind == "auto"


def _same(plan: Plan, wish: Wish) -> bool:
    """Whether the wish is the one that the plan was made for, apart from what `_holds` looks at."""
    had = _essence(plan.wish)
    return had == _essence(wish) and _names_the_same(plan, wish)


def _essence(wish: Wish) -> Wish:
    named = not _is_auto(wish.model)
    model = None if named and wish.model and parse(wish.model).kind == "path" else wish.model
    speed = 0.0 if named and wish.min_speed is None else wish.min_speed  # as `decide` reads it
    return replace(
        wish,
        model=model if named else "auto",
        min_speed=speed,
        context=None,
        require_gpu=False,
        offline=False,
        max_download=None,
    )


def _names_the_same(plan: Plan, wish: Wish) -> bool:
    """A path means a file: the same words mean another one in another folder."""
    if _is_auto(wish.model) or parse(wish.model or "").kind != "path":
        return True
    path = Path(parse(wish.model or "").location).expanduser()
    return plan.start.model_path is not None and path.resolve() == Path(plan.start.model_path).resolve()


def _holds(record: registry.Record, plan: Plan, wish: Wish) -> bool:
    """Context as large as asked for; as large as it would be by itself, when nothing is asked; a GPU, if required."""
    did = record.report
    context = did.context if did and did.context else plan.start.settings.context
    enough = plan.wish.context is None if wish.context is None else context >= wish.context
    return enough and _has_gpu(record, wish)


def _has_gpu(record: registry.Record, wish: Wish) -> bool:
    did = record.report
    return not wish.require_gpu or bool(did and (did.gpu_layers or did.gpu_share == 1))


def _attached(record: registry.Record, plan: Plan, report: Report) -> KeptServer | None:
    if any(_changed(path, record.started) for path in _files(plan.start)):
        return None
    server = kept.attach(record.token)
    if server is None:
        return None
    if asleep() - record.asleep > SLEPT:
        from launchpad.engines.probing import answers

        if not answers(server.server):
            server.stop()
            stopping.stop(record)
            report(
                Notice(
                    message=f"{record.model} did not answer any more after the computer slept: it is started again."
                )
            )
            return None
        registry.write(replace(record, asleep=asleep()))
    return server


def _changed(path: str, since: float) -> bool:
    try:
        return Path(path).stat().st_mtime > since
    except OSError:
        return True
