"""Who uses an engine right now: kernel locks on two files beside its record, which no crash can leave behind.

`attached`: somebody relies on the engine, as a chat that waits for its person does; a kept engine stays loaded.
`working`: a request is on its way; the engine is busy. Both are shared; the keeper takes `attached` alone before it
ends an engine, so that nobody can attach to one that is about to go.

Windows has no such locks: there nothing is known of use, and engines are not kept.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from launchpad.engines import registry

Kind = Literal["attached", "working"]


def take(token: str, kind: Kind, *, alone: bool = False) -> int | None:
    """Hold the lock until the returned descriptor is closed; None when somebody is in the way."""
    import fcntl

    try:
        fd = os.open(_path(token, kind), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def is_held(token: str, kind: Kind) -> bool:
    """Whether somebody holds the lock."""
    if not _path(token, kind).exists():
        return False
    fd = take(token, kind, alone=True)
    if fd is not None:
        os.close(fd)
    return fd is None


@contextlib.contextmanager
def working(token: str) -> Iterator[None]:
    """Mark the engine of this start busy; where that cannot be done, nothing is lost."""
    try:
        fd = take(token, "working") if registry.is_known(token) else None
    except ImportError:
        fd = None
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def last_used(token: str) -> float | None:
    """Wall-clock time (seconds since the epoch) at which the keeper last saw the engine in use; None: never kept."""
    try:
        return _path(token, "attached").stat().st_mtime
    except OSError:
        return None


def touch(token: str) -> None:
    """Note that the engine is in use now."""
    with contextlib.suppress(OSError):
        os.utime(_path(token, "attached"))


def _path(token: str, kind: Kind) -> Path:
    return registry.run_dir() / f"{token}.{kind}"
