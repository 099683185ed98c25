"""Time that misbehaves (rows E8 and E9): a suspended process, and wall clocks that are a year off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.engines import registry
from launchpad.engines.process import EngineProcess
from launchpad.engines.state import State
from launchpad.testing.processes import engine_processes, eventually

# Setting a wall clock never moves the monotonic one; faketime would, and then every wait of the C library is off.
STEPPED = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and faketime as Linux has them")


def test_an_engine_that_was_suspended_goes_on(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    threading.Event().wait(0.3)
    assert engine.state is State.READY
    assert engine.alive()
    os.kill(engine.pid, signal.SIGCONT)
    assert engine.alive()


def test_a_stopped_engine_ends_all_the_same(start: Callable[..., EngineProcess], private_home: Path) -> None:
    engine = start()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    engine.stop()
    assert not engine_processes(private_home)


PROGRAM = """
import os, time
from launchpad.engines import registry
from launchpad.engines.process import EngineProcess
from launchpad.testing.processes import fake_command
print(int(time.time()), flush=True)
engine = EngineProcess.start(fake_command("--load-seconds", "0.3", environment={"LD_PRELOAD": ""}))
engine.await_ready(engine.ready_message, stall_seconds=5)
assert len(list(registry.running())) == 1
assert registry.sweep() == ()
engine.stop()
assert engine.state.value == "stopped", engine.state
"""


@pytest.mark.engine
@pytest.mark.parametrize("offset", ["-365d", "+365d"])
def test_a_wall_clock_that_is_a_year_off(offset: str, private_home: Path) -> None:
    """From load to stop under libfaketime (the engine itself, whose sleeps it would break, has the true time); records of the right time are not taken for dead ones."""
    assert shutil.which("faketime"), "install the package faketime"
    done = subprocess.run(
        ["faketime", "-f", offset, sys.executable, "-c", PROGRAM],
        env={**os.environ, **STEPPED},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    import time

    assert abs(int(done.stdout.split()[0]) - time.time()) > 300 * 86_400
    eventually(lambda: not engine_processes(private_home), 2.0)
    assert not list(registry.records())


@pytest.mark.engine
def test_a_wall_clock_that_jumps_does_not_unload_a_kept_engine(private_home: Path) -> None:
    """The keeper counts with a clock that nobody sets: started a year ahead, it still waits its idle time."""
    program = (
        "import sys; sys.path[:0] = ['tests', 'tests/engines']\n"
        "from launchpad.engines import kept\n"
        "from launchpad.engines.process import EngineProcess\n"
        "from launchpad.testing.processes import fake_command\n"
        "from test_kept import facts\n"
        "engine = EngineProcess.start(fake_command())\n"
        "engine.await_ready(engine.ready_message)\n"
        "kept.keep(facts(engine), b'{}', 60.0).stop()\n"
    )
    command = ["faketime", "-f", "+365d", sys.executable, "-c", program]
    assert subprocess.run(command, env={**os.environ, **STEPPED}, timeout=150).returncode == 0
    from launchpad.engines import kept, stopping
    from launchpad.engines.listing import engines

    threading.Event().wait(1.0)
    record = next(kept.usable())
    assert engines()[0].state == "ready"
    stopping.stop(record)
    assert not engine_processes(private_home)
