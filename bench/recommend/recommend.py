"""How long `launchpad recommend` and `models` take, and how much memory: `python bench/recommend/recommend.py`.

`--beside "llmfit recommend --json"` runs a peer's command in turn with ours and prints the ratio of the medians.
`--models 100000` puts that many made-up models beside the packaged ones (big_catalog.py).
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from side_by_side import environment, line, measure  # noqa: E402

OURS = (
    "recommend",
    "recommend --json",
    'recommend --on "RTX 4090"',
    "models",
    "models --count 0",
    "models --json",
)


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
        runs = measure(commands, arguments.rounds, our_environment(home, arguments.models))
    for name, found in runs.items():
        print(line(name, found))
    ours = statistics.median(run.seconds for run in runs["launchpad recommend --json"])
    for name in arguments.beside:
        theirs = statistics.median(run.seconds for run in runs[name])
        print(f"launchpad recommend --json takes {ours / theirs:.2f} times as long as {name}")
    return 0


def our_environment(home: str, models: int) -> dict[str, str]:
    """With so many made-up models beside the packaged ones."""
    found = environment(home)
    if models:
        found["LAUNCHPAD_PLUGIN_PATH"] = str(HERE / "big_catalog.py")
        found["LAUNCHPAD_BENCH_MODELS"] = str(models)
    return found


if __name__ == "__main__":
    sys.exit(main())
