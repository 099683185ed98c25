"""What installing an engine beside launchpad takes: a folder that is whole or not there, and programs whose words are heard."""

from __future__ import annotations

import shutil
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from launchpad.engines.command import clean_environment
from launchpad.errors import EngineError
from launchpad.events import EngineLoading, Report

_WORDS = 8  # of its last lines are shown where it fails
_WIDE = 120  # characters of a line


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[None]:
    """Remove what an earlier try left in `folder`, and what this one leaves when it fails."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def run_installer(
    command: Sequence[str],
    report: Report,
    *,
    backend: str,
    engine: str,
    what: str,
    hint: str,
) -> None:
    """Run a step of an installation, its output told as progress; an interrupt ends it.

    `backend` is the backend's name, `engine` what people call it, `what` the step ("installing"). Raises `EngineError` with
    its last words and `hint`.
    """
    refusal = f"{engine} was not installed: {what} failed."
    last: deque[str] = deque(maxlen=_WORDS)
    report(EngineLoading(backend=backend, detail=f"{what}: {' '.join(command)[:_WIDE]}"))
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**clean_environment(), "UV_NO_PROGRESS": "1", "PYTHONDONTWRITEBYTECODE": ""},
        )
    except OSError as error:
        raise EngineError(refusal, why=str(error), hint=hint) from error
    assert process.stdout is not None
    try:
        with process.stdout as lines:
            for line in lines:
                if line.strip():
                    last.append(line.rstrip())
                    report(EngineLoading(backend=backend, detail=f"{what}: {line.strip()[:_WIDE]}"))
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        told = next((line.strip() for line in last if "error" in line.lower()), None)
        failed = EngineError(
            refusal, why=told or (last[-1].strip() if last else f"exit code {code}"), hint=hint
        )
        failed.add_note("\n".join(last))
        raise failed
