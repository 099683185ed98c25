"""How large the command line becomes beside the engine: `python bench/start/memory.py MODEL.gguf [RUNS]`.

`launchpad run MODEL "…"` as a process; VmHWM of that process alone is read until it ends (Linux). The engine and its guard are
processes of their own and do not count.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path


def peak(model: str) -> int:
    """Bytes at its largest. Raises `SystemExit` when the command fails."""
    command = [
        sys.executable,
        "-m",
        "launchpad",
        "run",
        model,
        "What is the capital of France?",
        "--max-tokens",
        "64",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    status = Path(f"/proc/{process.pid}/status")
    most = 0
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        most = max(most, 1024 * int(found[1]) if found else 0)
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"ended with {process.returncode}")
    return most


def main() -> None:
    """Measure and print."""
    runs = [peak(sys.argv[1]) for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5)]
    print(
        f"peak of the command line: median {statistics.median(runs) / 1e6:.0f} MB, most {max(runs) / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
