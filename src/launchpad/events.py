"""What happens while a plan becomes deeds: typed events, for the terminal, for `--progress json` and for plugins."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """Base of all events."""


class PullStarted(Event, frozen=True, kw_only=True):
    """A transfer begins. `size` in bytes (None unknown), `have` bytes are here from an earlier try."""

    ref: str
    size: int | None
    have: int = 0


class PullProgress(Event, frozen=True, kw_only=True):
    """Bytes of the whole pull that are on disk now; `rate` in bytes/s over the last seconds."""

    ref: str
    done: int
    size: int | None
    rate: float | None = None


class PullFinished(Event, frozen=True, kw_only=True):
    """Every byte is hashed and under its final name."""

    ref: str
    path: str
    size: int
    seconds: float
    sha256: str | None = None


class EngineStarting(Event, frozen=True, kw_only=True):
    """An engine process was spawned."""

    backend: str
    model: str


class EngineLoading(Event, frozen=True, kw_only=True):
    """The engine reports progress: `fraction` 0-1 when it says so, `detail` its own words."""

    backend: str
    fraction: float | None = None
    detail: str | None = None


class EngineReady(Event, frozen=True, kw_only=True):
    """The engine answers. `summary` is the one line of what it really did."""

    backend: str
    seconds: float
    summary: str


class EngineStopped(Event, frozen=True, kw_only=True):
    """The engine and all its processes are gone."""

    backend: str


class AnswerFinished(Event, frozen=True, kw_only=True):
    """An answer of a chat or of the gateway ended, for whatever `reason`. What was asked and said is never part of an event.

    Seconds and tokens; None is unknown. `first_token` is the wait until the first piece.
    """

    backend: str
    model: str
    reason: str
    seconds: float
    first_token: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Notice(Event, frozen=True, kw_only=True):
    """One line for the user that is not an error."""

    message: str


Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A `Report` that drops everything."""
