"""A conversation's engine that is lost: to a sleep of the computer, or by dying. Clocks are moved by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from engines.test_kept import facts
from launchpad.engines.clock import SleepWatch, asleep
from launchpad.engines.process import EngineProcess
from launchpad.engines.renewal import MOST_RENEWALS, Renewable, obituary
from launchpad.engines.running import EngineServer
from launchpad.errors import LaunchError
from launchpad.testing.processes import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


class Sleeper:
    """The seconds that the computer has slept, as told."""

    slept = 0.0

    def __call__(self) -> float:
        return self.slept


@pytest.fixture
def engine(start: Callable[..., EngineProcess]) -> tuple[Renewable, Sleeper, list[str]]:
    def launch() -> EngineServer:
        process = start()
        return EngineServer(process, facts(process))

    sleeper, told = Sleeper(), []
    return Renewable(launch(), launch, told.append, SleepWatch(sleeper)), sleeper, told


def test_a_short_nap_or_a_sleep_that_harms_nothing_is_not_mentioned(engine) -> None:
    renewable, sleeper, told = engine
    pid = renewable.server.pid
    sleeper.slept = 20.0
    assert not renewable.after_sleep()
    sleeper.slept = 2000.0
    assert not renewable.after_sleep()
    assert renewable.server.pid == pid
    assert told == []


def test_an_engine_that_the_sleep_has_cost_its_gpu_is_started_again(engine, monkeypatch) -> None:
    renewable, sleeper, told = engine
    pid = renewable.server.pid
    monkeypatch.setattr("launchpad.engines.renewal.answers", lambda server: server.pid != pid)
    assert not renewable.after_sleep()  # it did not sleep
    sleeper.slept = 3600.0
    assert renewable.after_sleep()
    assert renewable.server.pid != pid
    assert told == [
        "The computer slept for 60 min and the engine does not answer any more. It is started again."
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_dead_engine_is_started_again_but_not_for_ever(engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "launchpad.engines.process.oom_kills", lambda: 0
    )  # another test may run out of memory
    renewable, _, told = engine
    assert not renewable.renew()  # it lives
    for _ in range(MOST_RENEWALS):
        os.kill(renewable.server.pid, 9)
        eventually(lambda: not renewable.alive())
        assert renewable.renew()
    os.kill(renewable.server.pid, 9)
    eventually(lambda: not renewable.alive())
    assert not renewable.renew()
    assert (
        told
        == ["The engine died: signal SIGKILL (killed from outside). It is started again."] * MOST_RENEWALS
    )


def test_a_restart_that_fails_is_told(engine, monkeypatch) -> None:
    renewable, _, told = engine

    def fails() -> EngineServer:
        raise LaunchError("It does not start.", why="No memory.")

    monkeypatch.setattr(renewable, "_launch", fails)
    os.kill(renewable.server.pid, 9)
    eventually(lambda: not renewable.alive())
    assert not renewable.renew()
    assert "No memory" in told[-1]


def test_a_handle_that_does_not_tell_has_no_obituary(monkeypatch) -> None:
    monkeypatch.setattr("launchpad.engines.renewal.OBITUARY_SECONDS", 0.0)
    assert obituary(object()) == "of an unknown cause"


def test_this_computers_sleep_is_a_number() -> None:
    assert asleep() >= 0
    assert SleepWatch().look() == 0
