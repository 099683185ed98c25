"""The stall timer: what counts as progress, and that a suspended launchpad is no stall."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.engines.log import EngineLog
from launchpad.engines.progress import StallTimer
from launchpad.testing.processes import eventually


class Clock:
    """A monotonic clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[str]]:
    """A process that does one thing per line that it is told: allocate or read a MiB."""
    program = (
        "import sys\nkept = []\nprint(flush=True)\n"
        "for line in sys.stdin:\n"
        "    kept.append(bytearray(2**20 * 8) if line == 'allocate\\n' else open('/dev/zero', 'rb').read(2**20))\n"
        "    print(flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    with process:
        process.kill()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    process.stdout.readline()


def test_what_resets_the_timer(idle: subprocess.Popen[str], tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "log"
    timer = StallTimer(EngineLog(path), idle.pid, clock)
    assert timer.look() == 0
    for cause in ("allocate", "read", "log"):
        eventually(lambda: _stalls(timer, clock))
        if cause == "log":
            path.write_text("a line")
        else:
            _tell(idle, cause)
        assert timer.look() == 0, cause


def _stalls(timer: StallTimer, clock: Clock) -> bool:
    clock.now += 1.5
    return timer.look() == 3.0


def test_a_gap_in_which_launchpad_did_not_run_is_no_stall(
    idle: subprocess.Popen[str], tmp_path: Path
) -> None:
    clock = Clock()
    timer = StallTimer(EngineLog(tmp_path / "log"), idle.pid, clock)
    timer.look()
    clock.now += 3600
    assert timer.look() <= 2.0


def test_a_process_that_is_gone_makes_no_progress(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    clock = Clock()
    timer = StallTimer(EngineLog(tmp_path / "log"), process.pid, clock)
    timer.look()
    clock.now += 1
    assert timer.look() == 1.0
