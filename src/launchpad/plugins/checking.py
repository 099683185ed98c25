"""`launchpad plugins check`: the kit runs in a process of its own, for a plugin may end its process, or hang."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from launchpad.errors import UsageError
from launchpad.plugins.rule_result import RuleResult

CHECKER = "launchpad.testing.checking"
LIMIT = 600.0  # s for all rules together


def check_installed(name: str, model: Path | None = None) -> tuple[RuleResult, ...]:
    """Run the kit on the plugin. Raises `UsageError` when there is none of that name."""
    command = [sys.executable, "-m", CHECKER, name, *([str(model.absolute())] if model else [])]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.jsonl"
        environment = {**os.environ, "LAUNCHPAD_CHECK_ANSWER": str(answer)}
        environment = {key: value for key, value in environment.items() if key != "PYTHONWARNINGS"}
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=LIMIT,
                env=environment,
            )
            code: int | None = done.returncode
        except subprocess.TimeoutExpired:
            code = None
        lines = answer.read_bytes().splitlines() if answer.exists() else []
    results = tuple(msgspec.json.decode(line, type=RuleResult) for line in lines)
    if code == 2:
        raise UsageError(f"There is no plugin {name!r}.", hint="`launchpad plugins` lists them.")
    if code != 0:
        how = f"no end within {LIMIT:g} s" if code is None else f"its process ended with {code}"
        return (*results, RuleResult(subject=name, rule="its process goes on", outcome="failed", why=how))
    return results
