"""Engines that a third party's backend started in its own way: the core's rules hold for them as well.

An `EngineProcess` is checked before it starts, and the guard holds it. A backend that calls `subprocess` by itself gets
past both; so the processes that its launch left are looked at when it says that the engine is ready.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from launchpad.errors import EngineError, LaunchError

if TYPE_CHECKING:
    import psutil

    from launchpad.engines.server import RunningServer

_GUARD = "guard.py"
_CODE = "--trust-remote-code"


def refuse_open_engines(backend: str, running: RunningServer, since: float) -> None:
    """Raise `LaunchError`, after ending them, for processes started at `since` (seconds of the epoch) or later that break a rule.

    Looked at are the process that the backend names as its engine and all that this process has started since then. A
    server that ran before is somebody else's, and is left alone.
    """
    for process in _started(running.server.pid, since):
        if fault := _fault(process):
            family = _family(process)
            with suppress(EngineError):
                running.stop()
            _end(family)
            raise LaunchError(
                f"The engine of {backend} {fault} and was stopped.",
                why=f"Its plugin started process {process.pid} by itself; launchpad allows that to no engine.",
                hint="Disable the plugin (`launchpad plugins`), and tell its author.",
            )


def _started(pid: int | None, since: float) -> list[psutil.Process]:
    import psutil

    found = psutil.Process().children(recursive=True)
    try:
        if pid and pid not in {process.pid for process in found}:
            engine = psutil.Process(pid)
            found += [engine, *engine.children(recursive=True)]
        return [process for process in found if process.create_time() >= since - 1]
    except psutil.Error:
        return []


def _fault(process: psutil.Process) -> str | None:
    import psutil

    from launchpad.hosts import is_loopback

    try:
        open_to = sorted(
            f"{found.laddr.ip}:{found.laddr.port}"
            for found in process.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN and not is_loopback(found.laddr.ip)
        )
        if open_to:
            return f"listens beyond this machine ({', '.join(open_to)})"
        if _CODE in process.cmdline() and not _is_guarded(process):
            return f"runs with {_CODE}"
    except psutil.Error:
        return None
    return None


def _is_guarded(process: psutil.Process) -> bool:
    """Whether launchpad itself judged its options, when it started it."""
    return any(word.endswith(_GUARD) for parent in process.parents() for word in parent.cmdline())


def _family(process: psutil.Process) -> list[psutil.Process]:
    import psutil

    with suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return [process]


def _end(processes: list[psutil.Process]) -> None:
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.kill()
            process.wait(2)
