"""Nothing is left when launchpad, or the guard, is killed with SIGKILL (row E5), by real processes on Linux."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from launchpad.engines import registry
from launchpad.engines.command import EngineCommand
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


def _program(stage: str, grace: float = 600.0) -> str:
    options = ["--workers", "3", "--ignore-term", *(["--hang-at-load"] if stage == "load" else [])]
    return START.format(options=", ".join(map(repr, options)), grace=grace) + STAGES[stage]


def _all_there(home: Path) -> bool:
    return len(engine_processes(home)) == 6  # guard, its witness, engine, three workers


@pytest.mark.parametrize("stage", STAGES)
def test_launcher_killed(launcher: Launcher, private_home: Path, stage: str) -> None:
    process = launcher(_program(stage))
    eventually(lambda: _all_there(private_home))
    process.kill()
    eventually(lambda: not engine_processes(private_home))


def test_launcher_killed_while_a_fork_of_it_holds_the_pipe(launcher: Launcher, private_home: Path) -> None:
    program = _program("ready").replace(
        'print("ready"', "import os; pid = os.fork()\nif pid == 0: time.sleep(60)\nprint(pid"
    )
    process = launcher(program)
    eventually(lambda: _all_there(private_home))
    children = [child for child in psutil.Process(process.pid).children() if not _is_guard(child)]
    process.kill()
    try:
        eventually(lambda: not engine_processes(private_home))
    finally:
        for child in children:
            child.kill()


def _is_guard(process: psutil.Process) -> bool:
    return any(part.endswith("guard.py") for part in process.cmdline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_launcher_ended_by_a_signal(launcher: Launcher, private_home: Path, number: int) -> None:
    process = launcher(_program("ready", grace=0.5))
    process.send_signal(number)
    eventually(lambda: not engine_processes(private_home))


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
    eventually(lambda: not engine_processes(private_home))
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
    eventually(lambda: not engine_processes(private_home))


def test_a_witness_that_is_killed_is_not_missed(launcher: Launcher, private_home: Path) -> None:
    process = launcher(_program("ready", grace=0.5))
    eventually(lambda: _all_there(private_home))
    guard = next(child for child in psutil.Process(process.pid).children() if _is_guard(child))
    _witness(guard).kill()
    process.terminate()
    eventually(lambda: not engine_processes(private_home))


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


# -- what an engine leaves outside its processes ---------------------------------------------------------------------

SHARES = """
import signal, time
from multiprocessing.resource_tracker import _resource_tracker as tracker
from multiprocessing.shared_memory import SharedMemory
signal.signal(signal.SIGTERM, signal.SIG_IGN)
memory = SharedMemory(create=True, size=4096)
ignored = 0
while not ignored & 1 << signal.SIGTERM - 1:  # until then the tracker is only starting
    status = open(f"/proc/{tracker._pid}/status").read()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    time.sleep(0.01)
print(f"shares {memory.name}", flush=True)
time.sleep(60)
"""
LITTERS = """
import os, socket, time
place = os.environ["PLACE"]
socket.socket(socket.AF_UNIX).bind(place + "/0b7cd4a0-2b1c-4b52-a7a0-62b6f3a6a1c5")
print(f"place {os.stat(place).st_mode:o} {place}", flush=True)
time.sleep(60)
"""


def _python(program: str, **fields: object) -> EngineCommand:
    return fake_command(argv=(sys.executable, "-c", program), **fields)


def _said(engine: EngineProcess, word: str) -> str:
    """The last word of the line of its log that begins so."""
    return eventually(
        lambda: next((line.split()[-1] for line in engine.log_tail() if line.startswith(word)), "")
    )


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "crashed"])
def test_shared_memory_of_an_engine_that_is_killed_is_given_back(killed: bool) -> None:
    """Nobody but Python's resource tracker knows of it: it must outlive those that it cleans up after."""
    engine = EngineProcess.start(_python(SHARES, grace=0.1))
    memory = Path("/dev/shm") / _said(engine, "shares")
    assert memory.exists()
    if killed:
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        eventually(lambda: not engine.alive())
    engine.stop()
    assert engine.exit is not None
    assert engine.exit.signal == signal.SIGKILL
    assert not memory.exists()


def test_a_resource_tracker_that_does_not_end_is_killed_too(private_home: Path) -> None:
    stuck = SHARES.replace("print(", "import os\nos.kill(tracker._pid, signal.SIGSTOP)\nprint(")
    engine = EngineProcess.start(_python(stuck, grace=0.1))
    memory = Path("/dev/shm") / _said(engine, "shares")
    engine.stop()
    memory.unlink()
    assert not engine_processes(private_home)


def test_the_folder_that_an_engine_was_given_goes_with_it() -> None:
    engine = EngineProcess.start(_python(LITTERS, scratch=("PLACE",)))
    folder = Path(_said(engine, "place"))
    assert " 40700 " in "".join(engine.log_tail())
    assert list(folder.iterdir())
    engine.stop()
    assert not folder.exists()
    assert not list(registry.run_dir().iterdir())


def test_that_folder_has_a_short_path_wherever_temporary_files_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / ("d" * 100)
    far.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    engine = EngineProcess.start(_python(LITTERS, scratch=("PLACE",)))
    folder = Path(_said(engine, "place"))
    assert len(list(folder.iterdir())) == 1
    engine.stop()
    assert not folder.exists()
    assert not list(far.iterdir())


def test_that_folder_goes_at_the_next_start_when_launchpad_was_killed(
    launcher: Launcher, private_home: Path
) -> None:
    process = launcher(
        "import sys, time\n"
        "from launchpad.engines.process import EngineProcess\n"
        "from launchpad.testing.processes import eventually, fake_command\n"
        f"engine = EngineProcess.start(fake_command(argv=(sys.executable, '-c', {LITTERS!r}), scratch=('PLACE',)))\n"
        "eventually(lambda: any('place' in line for line in engine.log_tail()))\n"
        "print(engine.log_tail()[-1].split()[-1], flush=True); time.sleep(60)"
    )
    (note,) = registry.run_dir().glob("*.scratch")
    folder = Path(note.read_text())
    assert list(folder.iterdir())
    process.kill()
    process.wait()
    eventually(lambda: not engine_processes(private_home))
    registry.sweep()
    assert not folder.exists()
    assert not list(registry.run_dir().iterdir())


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
