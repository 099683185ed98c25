"""The command line as a process of its own, in a home where nobody lives: what a plugin's tests run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OURS = ("LAUNCHPAD_", "HF_", "OLLAMA_", "OPENAI_", "ANTHROPIC_")


@dataclass(frozen=True, kw_only=True)
class CliRun:
    """How a command ended: its exit code (negative: the signal) and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """What `--json` wrote. Raises `ValueError` where stdout is no JSON."""
        return json.loads(self.stdout)


def run_cli(
    *arguments: str,
    plugins: Sequence[str | Path] = (),
    home: Path | None = None,
    stdin: str = "",
    environment: Mapping[str, str] = {},
    timeout: float = 60.0,
) -> CliRun:
    """Run `launchpad ARGUMENTS` and return how it ended.

    `plugins` are files or modules, loaded as `LAUNCHPAD_PLUGIN_PATH` loads them, beside the plugins that are installed.
    The configuration, the cache and the models are those of `home`, and of an empty folder that goes again without it;
    the user's own settings for launchpad, its models and its engines are not seen. Raises `subprocess.TimeoutExpired`
    after `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="launchpad-home-") as empty:
        base = home or Path(empty)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        own = {
            "HOME": str(base),
            "LAUNCHPAD_HOME": str(base / "launchpad"),
            "HF_HUB_CACHE": str(base / "hub"),
            "LAUNCHPAD_PLUGIN_PATH": os.pathsep.join(map(str, plugins)),
        }
        done = subprocess.run(
            [sys.executable, "-m", "launchpad", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**kept, **own, **environment},
            timeout=timeout,
            check=False,
        )
    return CliRun(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def fake_engine_command(*options: str) -> list[str]:
    """The command that starts the simulated engine, a real process; its `--help` lists the faults it can have."""
    return [sys.executable, "-m", "launchpad.testing.fake_engine", *options]
