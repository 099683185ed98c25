"""How long `launchpad recommend` and `models` take, and how much memory: `python bench/recommend/measure.py`.

`--beside "llmfit recommend --json"` runs a peer's command in turn with ours and prints the ratio of the medians.
`--models 100000` puts that many made-up models beside the packaged ones (big_catalog.py).
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
OURS = (
    "recommend",
    "recommend --json",
    'recommend --on "RTX 4090"',
    "models",
    "models --count 0",
    "models --json",
)


class Run(NamedTuple):
    """One run: seconds, those of them that a processor worked, and bytes at its largest."""

    seconds: float
    processor: float
    memory: int


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--models", type=int, default=0)
    parser.add_argument("--beside", action="append", default=[], metavar="COMMAND")
    arguments = parser.parse_args()
    commands = {f"launchpad {text}": [sys.executable, "-m", "launchpad", *shlex.split(text)] for text in OURS}
    commands |= {text: shlex.split(text) for text in arguments.beside}
    with tempfile.TemporaryDirectory() as home:
        runs = measure(commands, arguments.rounds, environment(home, arguments.models))
    for name, found in runs.items():
        print(line(name, found))
    ours = statistics.median(run.seconds for run in runs["launchpad recommend --json"])
    for name in arguments.beside:
        theirs = statistics.median(run.seconds for run in runs[name])
        print(f"launchpad recommend --json takes {ours / theirs:.2f} times as long as {name}")
    return 0


def environment(home: str, models: int) -> dict[str, str]:
    """A home of its own, so that nobody's models or settings enter; compiled modules are kept, as where it is installed."""
    found = {**os.environ, "LAUNCHPAD_HOME": home, "HF_HUB_CACHE": f"{home}/hub"}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    found["PYTHONPYCACHEPREFIX"] = f"{home}/compiled"
    if models:
        found["LAUNCHPAD_PLUGIN_PATH"] = str(HERE / "big_catalog.py")
        found["LAUNCHPAD_BENCH_MODELS"] = str(models)
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


if __name__ == "__main__":
    sys.exit(main())
