"""How long an engine outlives a launcher that is killed: `python bench/launch/orphans.py MODEL.gguf [RUNS]` (Linux).

SIGKILL to the launcher alone, then the time until no process of its engine is left: guard, witness, engine and workers. The
launchers are `launchpad run MODEL` in mid-answer, and a simulated engine with three workers, all of which ignore SIGTERM:
the longest that the guard waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from launchpad.testing.processes import engine_processes, eventually

STUBBORN = """
import time
from launchpad.engines.process import EngineProcess
from launchpad.testing.processes import fake_command
engine = EngineProcess.start(fake_command("--workers", "3", "--ignore-term", grace=600.0))
engine.await_ready(engine.ready_message)
print("ready", flush=True)
time.sleep(600)
"""


def outlived(command: list[str]) -> float:
    """Seconds from SIGKILL, sent when the first output has come, until no process of its engine is left."""
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "LAUNCHPAD_HOME": home}
        launcher = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert launcher.stdout is not None
        if not launcher.stdout.read(1):
            sys.exit(f"{command[-1]!r} ended with {launcher.wait()}")
        assert engine_processes(Path(home)), "no process of the engine was found"
        launcher.send_signal(signal.SIGKILL)
        begun = time.perf_counter()
        eventually(lambda: not engine_processes(Path(home)))
        took = time.perf_counter() - begun
        launcher.wait()
        launcher.stdout.close()
        return took


def main() -> None:
    """Measure in turns and print."""
    model, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 9
    launchers = {
        "`launchpad run`, in mid-answer": [
            *(sys.executable, "-m", "launchpad", "run", model),
            *("Tell a long story.", "--max-tokens", "2000"),
        ],
        "an engine and three workers that ignore SIGTERM": [sys.executable, "-c", STUBBORN],
    }
    times: dict[str, list[float]] = {name: [] for name in launchers}
    for _ in range(runs):
        for name, command in launchers.items():
            times[name].append(outlived(command))
    for name, took in times.items():
        print(f"{name}: median {median(took):.2f} s, longest {max(took):.2f} s, {runs} runs")


if __name__ == "__main__":
    main()
