"""Ending an engine that another process owns, by asking those who watch over it."""

from __future__ import annotations

import signal
import time

from launchpad.engines import registry
from launchpad.engines.identity import Identity, lives, send_signal, with_token

PATIENCE = 15.0  # s for a polite end; then by force


def stop(record: registry.Record, patience: float = PATIENCE) -> bool:
    """End the engine of this record and everything below it; True when there was something to end.

    A kept engine's keeper is asked; else its guard, and the command that owns it learns that its engine is gone.
    """
    was_there = any(with_token({record.token}))
    watcher = record.launcher if record.kept else record.guard
    if watcher is not None and send_signal(watcher, signal.SIGTERM):
        _wait(record, watcher, patience)
    registry.end(record.token, None, 0)
    if not record.kept and lives(record.launcher):
        return was_there  # its owner tidies up
    registry.forget(record.token)
    return was_there


def _wait(record: registry.Record, watcher: Identity, patience: float) -> None:
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        if not lives(watcher) and not (record.guard and lives(record.guard)):
            return
        time.sleep(0.01)
