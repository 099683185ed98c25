"""Nothing is left when launchpad, or the guard, is killed with SIGKILL (row E5), by real processes on Linux."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from launchpad.engines import registry
from launchpad.engines.identity import boot_id, identify
from launchpad.engines.process import EngineProcess
from launchpad.engines.state import State
from launchpad.testing.processes import engine_processes, eventually, fake_command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreaper and /proc are Linux's")

Launcher = Callable[[str], "subprocess.Popen[str]"]

START = """
import threading, time
from launchpad.engines.process import EngineProcess
from launchpad.testing.processes import fake_command
engine = EngineProcess.start(fake_command({options}, grace={grace}))
"""
STAGES = {
    "load": 'print("loading", flush=True); time.sleep(60)',
    "ready": 'engine.await_ready(engine.ready_message); print("ready", flush=True); time.sleep(60)',
    "stop": (
        "engine.await_ready(engine.ready_message)\n"
        "threading.Thread(target=engine.stop).start()\n"
        'print("stopping", flush=True); time.sleep(60)'
    ),
}


def _program(stage: str, grace: float = 30.0) -> str:
    options = ["--workers", "3", "--ignore-term", *(["--hang-at-load"] if stage == "load" else [])]
    return START.format(options=", ".join(map(repr, options)), grace=grace) + STAGES[stage]


def _all_there(home: Path) -> bool:
    return len(engine_processes(home)) == 6  # guard, its witness, engine, three workers


@pytest.mark.parametrize("stage", STAGES)
def test_launcher_killed(launcher: Launcher, private_home: Path, stage: str) -> None:
    process = launcher(_program(stage))
    eventually(lambda: _all_there(private_home))
    process.kill()
    eventually(lambda: not engine_processes(private_home), seconds=2.0)


def test_launcher_killed_while_a_fork_of_it_holds_the_pipe(launcher: Launcher, private_home: Path) -> None:
    program = _program("ready").replace(
        'print("ready"', "import os; pid = os.fork()\nif pid == 0: time.sleep(60)\nprint(pid"
    )
    process = launcher(program)
    eventually(lambda: _all_there(private_home))
    children = [child for child in psutil.Process(process.pid).children() if not _is_guard(child)]
    process.kill()
    try:
        eventually(lambda: not engine_processes(private_home), seconds=2.0)
    finally:
        for child in children:
            child.kill()


def _is_guard(process: psutil.Process) -> bool:
    return any(part.endswith("guard.py") for part in process.cmdline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_launcher_ended_by_a_signal(launcher: Launcher, private_home: Path, number: int) -> None:
    process = launcher(_program("ready", grace=0.5))
    process.send_signal(number)
    eventually(lambda: not engine_processes(private_home), seconds=5.0)


@pytest.mark.parametrize("ready", [False, True])
def test_guard_killed(private_home: Path, ready: bool) -> None:
    options = ["--workers", "3", "--ignore-term", *([] if ready else ["--hang-at-load"])]
    engine = EngineProcess.start(fake_command(*options))
    if ready:
        engine.await_ready(engine.ready_message)
    eventually(lambda: _all_there(private_home))
    assert engine.pid is not None
    guard = psutil.Process(engine.pid).parent()
    assert guard is not None
    guard.kill()
    eventually(lambda: not engine_processes(private_home), seconds=2.0)
    eventually(lambda: engine.state is State.FAILED)
    engine.stop()


@pytest.mark.parametrize("stage", STAGES)
def test_launcher_and_guard_killed_at_once_leave_nothing(
    launcher: Launcher, private_home: Path, stage: str
) -> None:
    """Every worker has a session of its own and is nobody's child by then: the witness ends it."""
    process = launcher(_program(stage))
    eventually(lambda: _all_there(private_home))
    guard = next(child for child in psutil.Process(process.pid).children() if _is_guard(child))
    process.send_signal(signal.SIGSTOP)  # so that it cannot sweep between the two
    guard.kill()
    process.kill()
    eventually(lambda: not engine_processes(private_home), seconds=2.0)


def test_a_witness_that_is_killed_is_not_missed(launcher: Launcher, private_home: Path) -> None:
    process = launcher(_program("ready", grace=0.5))
    eventually(lambda: _all_there(private_home))
    guard = next(child for child in psutil.Process(process.pid).children() if _is_guard(child))
    _witness(guard).kill()
    process.terminate()
    eventually(lambda: not engine_processes(private_home), seconds=5.0)


def _witness(guard: psutil.Process) -> psutil.Process:
    return next(child for child in guard.children() if _is_guard(child))


def test_launcher_guard_and_witness_killed_at_once_then_the_next_start_is_clean(
    launcher: Launcher, private_home: Path
) -> None:
    process = launcher(_program("ready"))
    eventually(lambda: _all_there(private_home))
    guard = next(child for child in psutil.Process(process.pid).children() if _is_guard(child))
    process.send_signal(signal.SIGSTOP)  # so that it cannot sweep between the two
    _witness(guard).kill()
    guard.kill()
    process.kill()
    process.wait()
    assert eventually(
        lambda: len(engine_processes(private_home)) == 3
    )  # the workers; the engine died with the guard
    left = registry.sweep()
    assert [record.backend for record in left] == ["simulated"]
    assert not engine_processes(private_home)
    assert not list(registry.run_dir().iterdir())
    assert registry.sweep() == ()


def test_the_engine_dies_first_when_memory_runs_out(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    assert Path(f"/proc/{engine.pid}/oom_score_adj").read_text().strip() == "500"


# -- records (row E10) ----------------------------------------------------------------------------------------------


def _record(**fields: object) -> registry.Record:
    me = identify(os.getpid())
    assert me is not None
    values = {"token": "t0", "host": registry.host(), "backend": "b", "model": "m", "launcher": me, **fields}
    return registry.Record(**values)  # type: ignore[arg-type]


def test_records_of_a_living_launcher_are_kept() -> None:
    registry.write(_record())
    assert registry.sweep() == ()
    assert [record.token for record in registry.running()] == ["t0"]


def test_a_reused_pid_is_another_process(launcher: Launcher) -> None:
    innocent = launcher('import time; print("here", flush=True); time.sleep(60)')
    now = identify(innocent.pid)
    assert now is not None
    earlier = type(now)(pid=now.pid, started="1", boot=now.boot)
    registry.write(_record(launcher=earlier, guard=earlier, engine=earlier))
    assert registry.sweep() == ()
    assert innocent.poll() is None
    assert not list(registry.records())


def test_records_of_another_boot_or_machine() -> None:
    me = identify(os.getpid())
    assert me is not None
    other_boot = type(me)(pid=me.pid, started=me.started, boot="another")
    registry.write(_record(token="old", launcher=other_boot))
    registry.write(_record(token="far", launcher=other_boot, host="elsewhere"))
    registry.sweep()
    assert [record.token for record in registry.records()] == ["far"]
    assert boot_id() == me.boot


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 100, b'{"token": 5}', "\ufeff{}".encode("utf-16")])
def test_damaged_records_are_removed(content: bytes) -> None:
    path = registry.run_dir() / "t0.json"
    path.write_bytes(content)
    assert registry.sweep() == ()
    assert not path.exists()


def test_old_logs_are_tidied() -> None:
    for number in range(registry.LOGS_KEPT + 5):
        path = registry.log_dir() / f"{number}.log"
        path.touch()
        os.utime(path, ns=(number, number))
    registry.sweep()
    kept = {int(path.stem) for path in registry.log_dir().iterdir()}
    assert kept == set(range(5, registry.LOGS_KEPT + 5))
