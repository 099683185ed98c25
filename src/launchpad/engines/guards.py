"""Guards that wait for an engine: one can be started ahead, while there is still something to decide or to verify.

A guard that gets no job ends when its standard input does, that is with this process at the latest.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from launchpad.engines import registry
from launchpad.engines.command import READY_VARIABLE, TOKEN_VARIABLE, clean_environment

GUARD = Path(__file__).with_name("guard_windows.py" if sys.platform == "win32" else "guard.py")

Waiting = tuple[str, "subprocess.Popen[bytes]"]

_lock = threading.Lock()
_waiting: list[Waiting] = []


def prepare() -> None:
    """Have a guard ready for the next engine; quick, and no harm when there is none after all."""
    with _lock:
        if not _waiting:
            with contextlib.suppress(OSError):
                _waiting.append(_spawn())


def take() -> Waiting:
    """A start token and the guard that bears it."""
    with _lock:
        while _waiting:
            token, guard = _waiting.pop()
            if guard.poll() is None:
                return token, guard
    return _spawn()


def marks(token: str) -> dict[str, str]:
    """What every process of one engine start bears in its environment."""
    return {TOKEN_VARIABLE: token, READY_VARIABLE: str(registry.run_dir() / f"{token}.ready")}


def _spawn() -> Waiting:
    token = uuid.uuid4().hex
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", str(GUARD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**clean_environment(), **marks(token)},
        start_new_session=True,
    )
    return token, guard


@atexit.register
def dismiss() -> None:
    """End the guards that nobody needs."""
    with _lock:
        waiting = list(_waiting)
        _waiting.clear()
    for _, guard in waiting:
        with guard:  # closes its standard input, and waits for its end
            pass


def _forget_in_fork() -> None:
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)
