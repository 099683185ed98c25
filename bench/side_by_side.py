"""Commands in turn, each a process of its own: seconds, processor's time and memory. For the programs of this folder."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from typing import NamedTuple


class Run(NamedTuple):
    """One run: seconds, those of them that a processor worked, and bytes at its largest."""

    seconds: float
    processor: float
    memory: int


def environment(home: str) -> dict[str, str]:
    """A home of its own, so that nobody's models or settings enter; compiled modules are kept, as where it is installed."""
    found = {**os.environ, "LAUNCHPAD_HOME": home, "HF_HUB_CACHE": f"{home}/hub"}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    found["PYTHONPYCACHEPREFIX"] = f"{home}/compiled"
    return found


def measure(commands: dict[str, list[str]], rounds: int, env: dict[str, str]) -> dict[str, list[Run]]:
    """All commands in turn, once to warm up and then `rounds` times: what disturbs one disturbs the others as well."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            found = one(command, env)
            if number:
                runs[name].append(found)
    return runs


def one(command: list[str], env: dict[str, str]) -> Run:
    """Run it, its output thrown away. Raises `SystemExit` when it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{shlex.join(command)} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    worked = usage.ru_utime + usage.ru_stime
    return Run(time.perf_counter() - begun, worked, usage.ru_maxrss * unit)


def line(name: str, runs: list[Run]) -> str:
    """Median, fastest and slowest, the median of the processor's time, and the most memory."""
    seconds = sorted(run.seconds for run in runs)
    most = max(run.memory for run in runs)
    worked = statistics.median(run.processor for run in runs)
    span = f"{seconds[0]:.3f} to {seconds[-1]:.3f}"
    return f"{name:40} {statistics.median(seconds):6.3f} s ({span}), processor {worked:.3f} s, {most / 1e6:.0f} MB"
