"""Which process is meant: a pid alone is reused, a pid with its start time and the machine's boot is not.

And which processes belong to one engine start: those that carry its token in their environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from msgspec import Struct

from launchpad.engines.command import TOKEN_VARIABLE


class Identity(Struct, frozen=True, kw_only=True):
    """One process for ever. `started` is in the system's own units (clock ticks since boot on Linux)."""

    pid: int
    started: str
    boot: str


def boot_id() -> str:
    """What changes at every boot, and only then."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    import psutil

    return str(int(psutil.boot_time()))


def identify(pid: int) -> Identity | None:
    """The identity of a living process, or None."""
    started = _start_time(pid)
    return None if started is None else Identity(pid=pid, started=started, boot=boot_id())


def lives(identity: Identity) -> bool:
    """True while exactly this process, and not another one with its pid, is there and is no zombie."""
    return identity.boot == boot_id() and _start_time(identity.pid) == identity.started


def _start_time(pid: int) -> str | None:
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    import psutil

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def send_signal(identity: Identity, number: int) -> bool:
    """Send a signal to exactly this process; False when it is gone. Never hits a reused pid."""
    try:
        fd = os.pidfd_open(identity.pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return False
    try:
        if not lives(identity):
            return False
        if fd is None:
            os.kill(identity.pid, number)
        else:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        if fd is not None:
            os.close(fd)
    return True


def with_token(tokens: Collection[str]) -> Iterator[int]:
    """Pids of this user's processes, other than this one, that carry one of the start tokens."""
    import psutil

    for pid in psutil.pids():
        if pid != os.getpid() and _token(pid) in tokens:
            yield pid


def _token(pid: int) -> str | None:
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.environ().get(TOKEN_VARIABLE)
    return None


def kill_with_token(token: str) -> int:
    """SIGKILL every process that carries the token; returns how many were hit. Never hits a reused pid."""
    hit = 0
    for pid in with_token({token}):
        with contextlib.suppress(OSError):
            hit += _kill_if(pid, token)
    return hit


def _kill_if(pid: int, token: str) -> bool:
    if not hasattr(os, "pidfd_open"):
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        return True
    fd = os.pidfd_open(pid)  # from here on the pid cannot come to mean another process
    try:
        if _token(pid) != token:
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        return True
    finally:
        os.close(fd)
