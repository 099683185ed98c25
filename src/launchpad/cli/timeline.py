"""How long it took from the command to the first token, step by step. A person's time to answer is not counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from launchpad.cli.render import duration

if TYPE_CHECKING:
    from launchpad.events import Event, Report


class Timeline:
    """Steps in the order of their first end, since `started` on the monotonic clock."""

    def __init__(self, started: float) -> None:
        self.steps: dict[str, float] = {}
        self.complete = False
        self.is_first_run = False  # of this model, or of a newcomer: worth telling
        self._since = started

    def mark(self, step: str) -> None:
        """What happened since the last mark was this step."""
        now = time.monotonic()
        self.add(step, now - self._since)
        self._since = now

    def add(self, step: str, seconds: float) -> None:
        """A step that was measured elsewhere."""
        self.steps[step] = self.steps.get(step, 0.0) + seconds

    def first_token(self, seconds: float | None) -> None:
        """The engine's first answer began after so long; None: there was none."""
        self.complete = seconds is not None
        if seconds is not None:
            self.add("first token", seconds)

    def skip(self) -> None:
        """What happened since the last mark is nobody's step."""
        self._since = time.monotonic()

    def watching(self, report: Report, before: str) -> Report:
        """The same receiver of events, marking `before` when an engine is spawned and its load when it answers."""
        from launchpad.events import EngineReady, EngineStarting

        def watch(event: Event) -> None:
            if isinstance(event, EngineStarting):
                self.mark(before)
            elif isinstance(event, EngineReady):
                self.mark("start the engine")
            report(event)

        return watch

    @property
    def line(self) -> str:
        """The sum, and what it is made of."""
        parts = ", ".join(f"{step} {duration(seconds)}" for step, seconds in self.steps.items())
        return f"from the command to the first token: {duration(sum(self.steps.values()))} ({parts})"
