"""How long it takes until a command line answers at all: ours, its peers', and bare Python, in turn.

    python bench/start/start.py --venvs FOLDER [--rounds 21]

FOLDER holds virtual environments, each with one program installed from the package index (or from the wheel) and named
after it: launchpad, llm, whichllm, ramalama, llama-mdl. All have the same Python. Ratios are of medians in one run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from side_by_side import environment, line, measure  # noqa: E402

PROGRAMS = {
    "launchpad": "launchpad",
    "llm": "llm",
    "whichllm": "whichllm",
    "ramalama": "ramalama",
    "llama-mdl": "mdl",
}
BARE = "python -c pass"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    python = str(arguments.venvs / "launchpad" / "bin" / "python")
    commands = {
        BARE: [python, "-c", "pass"],
        "python -c 'import launchpad'": [python, "-c", "import launchpad"],
    }
    for venv, program in PROGRAMS.items():
        for option in ("--version", "--help"):
            commands[f"{program} {option}"] = [str(arguments.venvs / venv / "bin" / program), option]
    with tempfile.TemporaryDirectory() as home:
        runs = measure(commands, arguments.rounds, environment(home))
    bare = statistics.median(run.seconds for run in runs[BARE])
    busy = statistics.median(run.processor for run in runs[BARE])
    for name, found in runs.items():
        seconds = statistics.median(run.seconds for run in found) / bare
        processor = statistics.median(run.processor for run in found) / busy
        print(f"{line(name, found)}; of bare Python {seconds:.1f}, processor {processor:.1f}")


if __name__ == "__main__":
    main()
