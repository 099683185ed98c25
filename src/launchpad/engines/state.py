"""The life of an engine, the same for all backends."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where an engine is in its life. BUSY is a ready engine that is working on a request."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


LEGAL = {
    State.STARTING: {State.LOADING, State.STOPPING, State.FAILED},
    State.LOADING: {State.READY, State.STOPPING, State.FAILED},
    State.READY: {State.BUSY, State.STOPPING, State.FAILED},
    State.BUSY: {State.READY, State.STOPPING, State.FAILED},
    State.STOPPING: {State.STOPPED},
    State.STOPPED: set[State](),
    State.FAILED: set[State](),
}
