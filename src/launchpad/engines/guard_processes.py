"""The processes below a guard, and the witness that ends them when the guard cannot. Loaded by `guard.py` alone.

The standard library alone, as there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

TYPE_CHECKING = False  # the module `typing` takes longer to load than the guard to start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"
LAST_WILL = 10.0  # s in which the witness ends what is left


def prctl() -> Callable[..., int] | None:
    if not LINUX:
        return None
    import ctypes

    control: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return control


def become_subreaper() -> None:
    if control := prctl():
        control(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> Iterator[int]:
    """Pids of all living processes below this one."""
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    below = children.get(os.getpid(), [])
    while below:
        pid = below.pop()
        yield pid
        below += children.get(pid, [])


def is_tracker(pid: int) -> bool:
    """Whether it is a resource tracker of Python's `multiprocessing`, which ends when those that it serves have."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123  (pathlib is slow to load)
        return b"from multiprocessing.resource_tracker import main" in file.read()
    return False


def _processes() -> Iterator[tuple[int, int]]:
    """(pid, parent) of every process that is not a zombie."""
    if not LINUX:
        yield from _processes_by_ps()
        return
    for folder in os.scandir("/proc"):
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # The name, in parentheses, may hold anything; state and parent follow the last one.
                with open(f"{folder.path}/stat", "rb") as file:  # noqa: PTH123  (pathlib is slow to load)
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in b"ZX":
                    yield int(folder.name), int(parent)


def _processes_by_ps() -> Iterator[tuple[int, int]]:
    with subprocess.Popen(["/bin/ps", "-axo", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
        assert ps.stdout is not None
        for pid, parent, state in map(str.split, ps.stdout):
            if int(pid) != ps.pid and not state.startswith("Z"):
                yield int(pid), int(parent)


# -- the witness --------------------------------------------------------------------------------------------------


def leave_witness(mark: bytes) -> int:
    """Fork a process that waits for the end of this one, and then kills what has `mark` in its environment. Its pid; 0 without.

    It holds a pipe whose other end is the guard's alone, in a session of its own: whoever kills guard and owner in one
    instant, it is left. The guard kills it when there is nothing left to end.
    """
    if not LINUX:
        return 0
    ending, _living = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        pid = 0
        os.close(_living)
    else:
        if pid == 0:
            _witness(ending, mark)
    os.close(ending)
    return pid


def _witness(ending: int, mark: bytes) -> None:
    """Keep nothing that is the guard's: who listens to it must hear its end."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for fd, source in enumerate((ending, null, null)):
        os.dup2(source, fd)
    os.closerange(3, 1024)
    try:
        os.read(0, 1)
        _kill_bearers(mark)
    finally:
        os._exit(0)


def _kill_bearers(mark: bytes) -> None:
    """Kill until there is nothing left that carries the mark: what is killed may just have forked."""
    limit = time.monotonic() + LAST_WILL
    found = [0]
    while found and time.monotonic() < limit:
        found = [pid for pid, _ in _processes() if pid != os.getpid() and _kill_if(pid, mark)]
        time.sleep(0.01)


def _kill_if(pid: int, mark: bytes) -> bool:
    """Kill it if it carries the mark. The open folder means this process, whoever is given its pid next."""
    with contextlib.suppress(OSError):
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with open(os.open("environ", os.O_RDONLY, dir_fd=folder), "rb") as file:  # noqa: PTH123  (a descriptor, no path)
                if mark in file.read().split(b"\0"):
                    signal.pidfd_send_signal(folder, signal.SIGKILL)
                    return True
        finally:
            os.close(folder)
    return False
