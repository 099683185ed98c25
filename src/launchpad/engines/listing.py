"""The engines of this user on this machine, as their records and their processes show them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from launchpad.engines import registry, use
from launchpad.engines.identity import lives, with_token
from launchpad.engines.server import EngineReport
from launchpad.engines.state import State


class EngineView(Struct, frozen=True, kw_only=True):
    """One engine. `id` is the beginning of its token; `memory` in bytes of main memory that its processes hold.

    `state` is that of the state machine, or "orphaned" when its owner is gone and it is not. `progress` is the share that
    is loaded. `kept` engines unload after `idle` seconds without use (None: never), in `unloads_in` seconds from now.
    `owner` is the pid that it ends with, `ended` how it ended unasked.
    """

    id: str
    token: str
    model: str
    backend: str
    state: str
    progress: float | None
    pid: int | None
    owner: int
    endpoint: str | None
    kept: bool
    idle: float | None
    unloads_in: float | None
    attached: bool
    age: float
    memory: int | None
    report: EngineReport | None
    ended: str | None


def engines() -> list[EngineView]:
    """All of them, the last started first; of those that ended only the ones that did so unasked."""
    found = [_view(record) for record in registry.records() if record.host == registry.host()]
    return sorted((view for view in found if view is not None), key=lambda view: view.age)


def _view(record: registry.Record) -> EngineView | None:
    there = record.engine is not None and lives(record.engine)
    owned = lives(record.launcher)
    if not owned and not there and record.ended is None and not any(with_token({record.token})):
        return None
    attached = _held(record, "attached")
    memory = _memory(record) if there else None
    loading = record.state is State.LOADING and there
    return EngineView(
        id=record.token[:8],
        token=record.token,
        model=record.model,
        backend=record.backend,
        state=_state(record, there, owned),
        progress=min(1.0, memory / record.size) if loading and memory and record.size else None,
        pid=record.engine.pid if record.engine else None,
        owner=record.launcher.pid,
        endpoint=record.endpoint,
        kept=record.kept is not None,
        idle=record.kept.idle if record.kept else None,
        unloads_in=_unloads_in(record, attached) if there else None,
        attached=attached,
        age=max(0.0, time.time() - record.started),
        memory=memory,
        report=record.report,
        ended=record.ended,
    )


def _state(record: registry.Record, there: bool, owned: bool) -> str:
    if record.ended is not None or (owned and not there and record.engine is not None):
        return State.FAILED.value
    if not owned:
        return "orphaned"
    if record.state is State.READY and _held(record, "working"):
        return State.BUSY.value
    return record.state.value


def _held(record: registry.Record, kind: use.Kind) -> bool:
    try:
        return use.is_held(record.token, kind)
    except ImportError:  # Windows
        return False


def _unloads_in(record: registry.Record, attached: bool) -> float | None:
    used = use.last_used(record.token)
    if record.kept is None or record.kept.idle is None or used is None or attached:
        return None
    return max(0.0, record.kept.idle - max(0.0, time.time() - used))


def _memory(record: registry.Record) -> int | None:
    from launchpad.engines.resident import resident_bytes

    return resident_bytes(record.engine.pid) if record.engine else None


def matching(views: Sequence[EngineView], text: str) -> list[EngineView]:
    """Those that `text` names: by the beginning of the id, else by the model's name, whole before part."""
    wanted = text.lower()
    for test in (
        lambda view: len(wanted) >= 4 and view.token.startswith(wanted),
        lambda view: view.model.lower() == wanted,
        lambda view: wanted and wanted in view.model.lower(),
    ):
        if found := [view for view in views if test(view)]:
            return found
    return []
