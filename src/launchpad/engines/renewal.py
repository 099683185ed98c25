"""An engine that a conversation can get anew: after the computer slept and the GPU is lost, or when it died."""

from __future__ import annotations

import time
from collections.abc import Callable

from launchpad.engines.clock import SleepWatch
from launchpad.engines.probing import answers
from launchpad.engines.server import RunningServer, Server
from launchpad.errors import LaunchpadError

OBITUARY_SECONDS = 5.0  # how long the guard may take to say how the engine ended
DEATH_SECONDS = 2.0  # how long an engine whose answer broke off may take to be known as dead: 0.04 usually, 0.5 on a busy machine
MOST_RENEWALS = 3


class Renewable:
    """A `RunningServer` that is replaced by a new start of the same when it is lost.

    `tell` shows one line to the user. `after_sleep` is to be called before each question, `renew` after a failed one.
    """

    def __init__(
        self,
        running: RunningServer,
        launch: Callable[[], RunningServer],
        tell: Callable[[str], None],
        watch: SleepWatch | None = None,
    ) -> None:
        self._running = running
        self._launch = launch
        self._tell = tell
        self._watch = watch or SleepWatch()
        self._renewals = 0

    @property
    def server(self) -> Server:
        """The facts of the engine that runs now."""
        return self._running.server

    def alive(self) -> bool:
        """False once the engine process is gone."""
        return self._running.alive()

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that the engine wrote."""
        return self._running.log_tail(lines)

    def stop(self) -> None:
        """Stop it, or let go of one that stays."""
        self._running.stop()

    def after_sleep(self) -> bool:
        """Look at the engine when the computer slept since the last call; True when there is a new one."""
        slept = self._watch.look()
        if not slept or (self.alive() and answers(self.server)):
            return False
        return self._replace(
            f"The computer slept for {slept / 60:.0f} min and the engine does not answer any more"
        )

    def renew(self) -> bool:
        """Start the engine again when it has died; False when it runs, or when it died too often."""
        return has_died(self._running) and self._replace(f"The engine died: {obituary(self._running)}")

    def _replace(self, cause: str) -> bool:
        if self._renewals >= MOST_RENEWALS:
            return False
        self._renewals += 1
        self._tell(f"{cause}. It is started again.")
        self._running.stop()
        try:
            self._running = self._launch()
        except LaunchpadError as error:
            self._tell(str(error))
            return False
        return True


def has_died(running: RunningServer) -> bool:
    """Whether the engine is gone; a connection ends a moment before the process does."""
    limit = time.monotonic() + DEATH_SECONDS
    while running.alive() and time.monotonic() < limit:
        time.sleep(0.02)
    return not running.alive()


def obituary(running: RunningServer) -> str:
    """How the engine ended, in words; waits a moment for them."""
    ended: Callable[[], str | None] = getattr(running, "ended", lambda: None)
    limit = time.monotonic() + OBITUARY_SECONDS
    while (said := ended()) is None and time.monotonic() < limit:
        time.sleep(0.02)
    return said or "of an unknown cause"
