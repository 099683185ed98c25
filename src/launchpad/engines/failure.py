"""Why an engine died, in words."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from msgspec import Struct

_MEANINGS = {
    "SIGSEGV": "a memory access fault in the engine",
    "SIGABRT": "the engine aborted itself",
    "SIGILL": "an instruction that this processor does not have",
    "SIGFPE": "an arithmetic fault in the engine",
    "SIGBUS": "a memory access fault, often a model file that is cut short or a full disk",
    "SIGKILL": "killed from outside",
    "SIGTERM": "ended from outside",
}
_LOUD = re.compile(r"\berror\b|\bfail|exception|abort|out of memory|unable|cannot|\bE\b", re.IGNORECASE)
_LONGEST = 300


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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def oom_kills() -> int | None:
    """How often the kernel has killed for lack of memory since boot; None where it does not say."""
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return None
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None


def last_words(lines: tuple[str, ...]) -> str | None:
    """The one line of a log's tail that says most: the last that sounds like an error, else the last."""
    loud = [line for line in lines if _LOUD.search(line)]
    chosen = (loud or list(lines))[-1:]
    return " ".join(chosen[0].split())[:_LONGEST] if chosen else None
