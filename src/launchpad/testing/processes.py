"""Starting the simulated engine, and counting what it left behind."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from launchpad.engines.command import READY_VARIABLE, EngineCommand

T = TypeVar("T")

KEY = "simulated-key"


def fake_command(*options: str, **fields: Any) -> EngineCommand:
    """A command that starts the simulated engine with these options; `fields` are those of `EngineCommand`."""
    values = {
        "backend": "simulated",
        "model": "nothing",
        "argv": (sys.executable, "-m", "launchpad.testing.fake_engine", *options),
        "stdin": json.dumps({"api_key": KEY}),
        "grace": 0.3,
    }
    return EngineCommand(**{**values, **fields})


def engine_processes(home: Path) -> list[int]:
    """Pids of all living processes of engines whose records are kept under `home`: guards, engines, workers."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ready = process.environ().get(READY_VARIABLE, "")
            if ready.startswith(str(home)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def gone(pid: int) -> bool:
    """Whether the process has ended, waited for by its parent or not."""
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """The condition's first true value. Raises `AssertionError` when there is none within `seconds`."""
    limit = time.monotonic() + seconds
    while True:
        last = time.monotonic() > limit  # before the look: who was held up for so long looks once more
        if value := condition():
            return value
        if last:
            raise AssertionError(f"it did not happen within {seconds} s")
        time.sleep(0.01)
