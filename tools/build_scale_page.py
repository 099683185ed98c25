"""Run the commands of docs/explanation/scale.md and write what they print below them: `python tools/build_scale_page.py`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "scale.md"
HOSTS = "".join(
    f'[[hosts]]\naddress = "10.0.0.{number}"\ngpus = "8x H100 80GB"\nmemory = "2TB"\n\n' for number in (1, 2)
)
_SHOWN = re.compile(
    r"(```console\n\$ (?P<command>[^\n]+)\n```\n\n```(?:text|sh)\n)(?P<text>.*?)(?=```)", re.DOTALL
)


def commands(page: str) -> list[str]:
    """The commands whose output the page shows."""
    return [found["command"] for found in _SHOWN.finditer(page)]


def shown(command: str, folder: Path) -> str:
    """What the command prints, as the page shows it: for scripts the line that starts the engine."""
    (folder / "hosts.toml").write_text(HOSTS)
    env = {**os.environ, "LAUNCHPAD_HOME": str(folder / "home"), "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=50,
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    scripts = sorted((folder / "deploy").glob("*.sh"))
    if scripts:
        lines = [
            line for script in scripts for line in script.read_text().splitlines() if line.startswith("exec ")
        ]
        return "".join(f"{line.removeprefix('exec ')}\n" for line in lines)
    return done.stdout + done.stderr


def main() -> None:
    """Write the page."""
    page = PAGE.read_text("utf-8")

    def renewed(found: re.Match[str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return found[1] + shown(found["command"], Path(folder))

    PAGE.write_text(_SHOWN.sub(renewed, page), encoding="utf-8")


if __name__ == "__main__":
    main()
