"""A flag that is raised once and waited for, in code that Ctrl-C or SIGTERM may interrupt at any instruction."""

from __future__ import annotations

import contextlib
import threading
import time

_LOOK_SECONDS = 0.25  # the longest that a waiter misses the flag when another one was interrupted in the act


class Latch:
    """What `threading.Event` is, without `clear`.

    An exception that a signal handler raises inside `threading.Event` (a second Ctrl-C right after the first) can leave
    the lock in it held for ever, or release it twice. Here one lock is held until the flag is raised, then free: a
    waiter that is interrupted between taking it and giving it back costs the others one look.
    """

    def __init__(self) -> None:
        self._raised = False
        self._closed = threading.Lock()
        self._closed.acquire()

    def is_set(self) -> bool:
        """Whether the flag is raised."""
        return self._raised

    def set(self) -> None:
        """Raise the flag and wake who waits."""
        self._raised = True
        with contextlib.suppress(RuntimeError):  # free already
            self._closed.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the flag, at most `timeout` seconds; returns whether it is raised."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._raised:
            left = _LOOK_SECONDS if deadline is None else min(deadline - time.monotonic(), _LOOK_SECONDS)
            if left <= 0:
                break
            if self._closed.acquire(timeout=left):
                with contextlib.suppress(RuntimeError):
                    self._closed.release()
        return self._raised
