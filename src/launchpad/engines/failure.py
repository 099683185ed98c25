"""Why an engine died, in words."""

from __future__ import annotations

import errno
import re
import signal
from pathlib import Path

from msgspec import Struct

from launchpad.errors import EngineCrashed, EngineMissing, LaunchError

_MEANINGS = {
    "SIGSEGV": "a memory access fault in the engine",
    "SIGABRT": "the engine aborted itself",
    "SIGILL": "an instruction that this processor does not have",
    "SIGFPE": "an arithmetic fault in the engine",
    "SIGBUS": "a memory access fault, often a model file that is cut short or a full disk",
    "SIGKILL": "killed from outside",
    "SIGTERM": "ended from outside",
}
_LOUD = re.compile(r"error\b|\bfail|exception|abort|out of memory|unable|cannot|\bE\b", re.IGNORECASE)
_AFTERMATH = re.compile(  # errors that only say that there was one
    r"exiting due to|: failed to load model\b|failed to init server|see root cause", re.IGNORECASE
)
_STAMP = re.compile(r"^[\d.]+ [IWED] ")  # llama.cpp's time and level
_LONGEST = 300
_OF_MEMORY = re.compile(
    r"out of memory|alloc|\boom\b|not enough (?:free )?memory|insufficient memory|cudaMalloc|no available memory"
    r"|failed to create (?:context|llama_context)|ENOMEM|cannot allocate",
    re.IGNORECASE,
)
_PORT_TAKEN = re.compile(
    r"address already in use|EADDRINUSE|couldn't bind|failed to bind|only one usage of each socket address",
    re.IGNORECASE,
)
_SIGNALS_OF_MEMORY = ("SIGKILL", "SIGABRT", "SIGBUS", "SIGSEGV")


class EngineExit(Struct, frozen=True, kw_only=True):
    """How an engine ended: `code`, or `signal` (a number), or neither when its guard vanished with it.

    `out_of_memory` is True when the kernel's out-of-memory killer struck meanwhile.
    """

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False

    def __str__(self) -> str:
        """For people: `signal SIGSEGV (a memory access fault in the engine)`."""
        if self.signal is not None:
            name = _signal_name(self.signal)
            if name == "SIGKILL" and self.out_of_memory:
                return "signal SIGKILL (the system ran out of memory)"
            return f"signal {name} ({_MEANINGS[name]})" if name in _MEANINGS else f"signal {name}"
        return "unknown cause" if self.code is None else f"exit code {self.code}"


def may_be_memory(exit_: EngineExit, lines: tuple[str, ...]) -> bool:
    """Whether a lack of memory may have ended the engine: the kernel or the log says so, or it was killed in a way that
    a lack of memory kills.
    """
    if exit_.out_of_memory or any(_OF_MEMORY.search(line) for line in lines):
        return True
    return exit_.signal is not None and _signal_name(exit_.signal) in _SIGNALS_OF_MEMORY


def port_taken(lines: tuple[str, ...]) -> bool:
    """Whether it ended because another program had taken its port: with another port it would start."""
    return any(_PORT_TAKEN.search(line) for line in lines)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def oom_kills() -> int | None:
    """How often the kernel has killed for lack of memory, on the machine and in this container; None: not told."""
    found = [_count(Path("/proc/vmstat")), _count(_own_cgroup())]
    counts = [count for count in found if count is not None]
    return sum(counts) if counts else None


def _count(path: Path) -> int | None:
    """The line `oom_kill N` of a file of counters."""
    try:
        found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def _own_cgroup() -> Path:
    """Where the container's, or the service's, own limit is counted (cgroup v2)."""
    try:
        line = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    except OSError:
        line = ""
    inside = Path("/sys/fs/cgroup") / line.lstrip("/") / "memory.events"
    return inside if inside.exists() else Path("/sys/fs/cgroup/memory.events")


def missing(backend: str, program: str, number: int | None, message: str) -> EngineMissing:
    """The error for a program that the system would not start."""
    hint = "Install it, or choose another engine with --backend."
    if number == errno.ENOEXEC:
        hint = "The file is no program for this processor and system; install the right one."
    return EngineMissing(f"The engine {backend} cannot be started.", why=f"{program}: {message}", hint=hint)


def at_load(died: LaunchError, exit_: EngineExit, tail: tuple[str, ...]) -> EngineCrashed:
    """The error for an engine that ended while it was loading, with what may help another try."""
    crash = EngineCrashed(died.what, why=died.why, hint=died.hint)
    crash.retryable, crash.memory = port_taken(tail), may_be_memory(exit_, tail)
    crash.add_note("\n".join(tail))
    return crash


def last_words(lines: tuple[str, ...]) -> str | None:
    """The one line of a log's tail that says most: the last that sounds like an error and names a cause, else the last."""
    loud = [line for line in lines if _LOUD.search(line)]
    causes = [line for line in loud if not _AFTERMATH.search(line)]
    chosen = (causes or loud or list(lines))[-1:]
    return " ".join(_STAMP.sub("", chosen[0]).split())[:_LONGEST] if chosen else None
