"""The state machine of an engine, with real processes of the simulated engine (rows E1 to E4 of the fault model)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from launchpad.engines import registry
from launchpad.engines.command import EngineCommand
from launchpad.engines.loopback import get_loopback, listeners, require_private
from launchpad.engines.process import EngineProcess
from launchpad.engines.state import LEGAL, State
from launchpad.errors import EngineMissing, LaunchError
from launchpad.events import EngineLoading, EngineStarting, EngineStopped, Event
from launchpad.testing.processes import engine_processes, eventually, fake_command

Start = Callable[..., EngineProcess]


def test_from_start_to_stop(start: Start, private_home: Path) -> None:
    events: list[Event] = []
    engine = EngineProcess.start(fake_command("--load-seconds", "2"), events.append)
    try:
        assert engine.state is State.LOADING
        ready = engine.await_ready(engine.ready_message)
        assert engine.state is State.READY
        assert engine.alive()
        assert get_loopback(ready["port"], "/health")[0] == 200
        assert get_loopback(ready["port"], "/v1/models", "wrong")[0] == 401
    finally:
        engine.stop()
    assert engine.state is State.STOPPED
    assert not engine.alive()
    assert isinstance(events[0], EngineStarting)
    assert any(isinstance(event, EngineLoading) and "to go" in (event.detail or "") for event in events)
    with pytest.raises(OSError, match="refused"):
        get_loopback(ready["port"], "/health")
    assert not list(registry.records())
    assert not list(registry.run_dir().iterdir())


def test_stop_is_idempotent_and_may_be_called_from_many_threads(start: Start) -> None:
    engine = start()
    threads = [threading.Thread(target=engine.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.stop()
    assert engine.state is State.STOPPED


@pytest.mark.parametrize("ends", ["told", "crashed"])
def test_who_listens_hears_once_that_it_is_gone(ends: str) -> None:
    events: list[Event] = []
    engine = EngineProcess.start(fake_command(), events.append)
    engine.await_ready(engine.ready_message)
    if ends == "crashed":
        assert engine.pid is not None
        psutil.Process(engine.pid).kill()
        eventually(lambda: not engine.alive())
    engine.stop()
    engine.stop()
    assert events.count(EngineStopped(backend="simulated")) == 1


def test_a_listener_that_fails_keeps_no_engine_alive() -> None:
    def fail(event: Event) -> None:
        if isinstance(event, EngineStopped):
            raise RuntimeError("simulated")

    engine = EngineProcess.start(fake_command(), fail)
    engine.await_ready(engine.ready_message)
    engine.stop()
    assert engine.state is State.STOPPED


def test_the_log_is_private_and_is_the_engines_own_words(start: Start) -> None:
    engine = start()
    assert stat.S_IMODE(engine.log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(engine.log.path.parent.stat().st_mode) == 0o700
    assert engine.log_tail(1)[0].startswith("simulated engine: listening")


def test_a_log_that_floods_is_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.engines.log.EngineLog.LIMIT", 100_000)
    engine = start("--spam", "1000000")
    kept = [path.stat().st_size for path in engine.log.path.parent.iterdir()]
    assert len(kept) == 2
    assert sum(kept) <= 200_000
    assert engine.log_tail(2)[0] == "end of spam"


def test_secrets_reach_the_engine_and_nothing_else(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_CANARY")
    monkeypatch.setenv("SOME_API_KEY", "hf_CANARY")
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "hf_CANARY")
    engine = start()
    assert engine.pid is not None
    guard = psutil.Process(engine.pid).parent()
    assert guard is not None
    for process in (psutil.Process(engine.pid), guard):
        seen = " ".join([*process.cmdline(), *process.environ().values()])
        assert "hf_CANARY" not in seen
        assert "simulated-key" not in seen
    assert "simulated-key" not in engine.log.text()
    assert not any("simulated-key" in path.read_text() for path in registry.run_dir().iterdir())


# -- E1: what cannot be started -----------------------------------------------------------------------------------


def _command(program: Path | str, *arguments: str) -> EngineCommand:
    return EngineCommand(backend="simulated", model="nothing", argv=(str(program), *arguments), grace=0.3)


def test_missing_program() -> None:
    with pytest.raises(EngineMissing, match=r"simulated cannot be started") as caught:
        EngineProcess.start(_command("/nonexistent/engine"))
    assert caught.value.why == "/nonexistent/engine: No such file or directory"
    assert caught.value.exit_code == 5


def test_program_that_is_not_executable(tmp_path: Path) -> None:
    program = tmp_path / "engine"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(EngineMissing) as caught:
        EngineProcess.start(_command(program))
    assert "Permission denied" in str(caught.value.why)


def test_program_for_another_processor(tmp_path: Path) -> None:
    program = tmp_path / "engine"
    program.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xff\xff" + b"\0" * 44)
    program.chmod(0o700)
    with pytest.raises(EngineMissing) as caught:
        EngineProcess.start(_command(program))
    assert "processor" in str(caught.value.hint)


def test_program_that_prints_garbage_and_ends() -> None:
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)))"
    engine = EngineProcess.start(_command(sys.executable, "-c", program))
    with pytest.raises(LaunchError) as caught:
        engine.await_ready(engine.ready_message)
    assert str(caught.value.why).startswith("It ended by exit code 0")
    assert "\n" not in str(caught.value.why)


def test_an_engine_that_ends_while_it_is_started_is_told_by_the_wait_for_it() -> None:
    class Late(EngineProcess):
        def _move(self, state: State) -> None:
            if state is State.LOADING:
                assert self._gone.wait(150)
            super()._move(state)

    engine = Late.start(_command(sys.executable, "-c", "print('simulated failure')"))
    assert engine.state is State.FAILED
    with pytest.raises(LaunchError) as caught:
        engine.await_ready(engine.ready_message)
    assert caught.value.why == "It ended by exit code 0; its last words: simulated failure"


def test_an_engine_that_is_stopped_while_it_is_started_is_told_by_the_wait_for_it() -> None:
    class Stopped(EngineProcess):
        def _spawn_guard(self, guard: subprocess.Popen[bytes]) -> None:
            guard.terminate()  # before it has a job: what a stop from another thread comes to, at its earliest
            guard.wait()
            super()._spawn_guard(guard)
            self.stop()

    engine = Stopped.start(fake_command())
    assert engine.pid is None
    with pytest.raises(LaunchError, match="could not load"):
        engine.await_ready(engine.ready_message)
    assert not engine.alive()


# -- E2: crashes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (("--exit-at-load", "3"), "exit code 3; its last words: error: simulated failure to load"),
        (("--signal-at-load", "SIGSEGV"), "signal SIGSEGV (a memory access fault in the engine)"),
        (("--signal-at-load", "SIGKILL"), "signal SIGKILL"),
        (("--signal-at-load", "SIGABRT"), "signal SIGABRT (the engine aborted itself)"),
    ],
)
def test_crash_at_load(start: Start, options: tuple[str, ...], cause: str) -> None:
    engine = start(*options, "--workers", "3", ready=False)
    with pytest.raises(LaunchError) as caught:
        engine.await_ready(engine.ready_message)
    error = caught.value
    assert cause in str(error.why)
    assert str(engine.log.path) in str(error.hint)
    assert "simulated engine: loading" in error.__notes__[0]
    assert engine.state is State.FAILED


def test_crash_while_ready_is_noticed(start: Start) -> None:
    engine = start("--workers", "3")
    assert engine.pid is not None
    psutil.Process(engine.pid).kill()
    eventually(lambda: engine.state is State.FAILED)
    assert not engine.alive()
    assert engine.exit is not None
    assert engine.exit.signal == 9
    engine.stop()
    assert engine.state is State.FAILED
    assert not list(registry.records())


# -- E3: hangs ------------------------------------------------------------------------------------------------------


def test_a_hanging_load_is_ended_by_the_stall_timer(start: Start, private_home: Path) -> None:
    engine = start("--hang-at-load", "--workers", "3", "--ignore-term", ready=False)
    with pytest.raises(LaunchError, match=r"nothing stopped loading in simulated") as caught:
        engine.await_ready(engine.ready_message, stall_seconds=0.5)
    assert "No log line" in str(caught.value.why)
    assert not engine_processes(private_home)


def test_a_slow_load_that_makes_progress_is_left_alone(start: Start) -> None:
    engine = start("--load-seconds", "4", ready=False)
    assert engine.await_ready(engine.ready_message, stall_seconds=3)["port"]


def test_stop_from_another_thread_ends_the_wait(start: Start) -> None:
    engine = start("--hang-at-load", ready=False)
    threading.Timer(0.2, engine.stop).start()
    with pytest.raises(LaunchError, match="could not load") as caught:
        engine.await_ready(engine.ready_message)
    assert "ended" in str(caught.value.why) or "stopped" in str(caught.value.why)
    assert engine.state is State.STOPPED


def test_an_exception_in_the_readiness_check_stops_the_engine(start: Start, private_home: Path) -> None:
    engine = start(ready=False)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.await_ready(interrupted)
    assert engine.state is State.STOPPED
    assert not engine_processes(private_home)


# -- E4: what does not want to die ----------------------------------------------------------------------------------


def test_deaf_engine_with_escaping_workers_is_ended_by_its_guard(
    start: Start, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(engine: EngineProcess) -> None:
        raise AssertionError("its guard left it alive beyond the grace")

    monkeypatch.setattr(EngineProcess, "_end_by_force", too_late)
    engine = start("--ignore-term", "--workers", "3")
    assert len(engine_processes(private_home)) == 6  # guard, its witness, engine, three workers
    engine.stop()
    assert not engine_processes(private_home)
    assert engine.exit is not None
    assert engine.exit.signal == 9


def test_polite_engine_with_deaf_workers(start: Start, private_home: Path) -> None:
    engine = start("--workers", "3", grace=30.0)
    engine.stop()
    assert not engine_processes(private_home)
    assert engine.exit is not None
    assert engine.exit.signal == 15


def test_a_fork_of_the_launcher_cannot_stop_its_engine(start: Start) -> None:
    engine = start()
    engine._owner = os.getpid() + 1  # as seen from a fork
    engine.stop()
    engine._owner = os.getpid()
    assert engine.alive()


# -- ports ----------------------------------------------------------------------------------------------------------


def test_only_the_engine_itself_may_answer_on_the_port(start: Start) -> None:
    engine, other = start(), start()
    assert engine.pid is not None
    mine, foreign = engine.ready_message(), other.ready_message()
    assert mine is not None
    assert foreign is not None
    require_private("simulated", engine.pid, mine["port"])
    with pytest.raises(LaunchError, match="does not listen on port") as caught:
        require_private("simulated", engine.pid, foreign["port"])
    assert caught.value.retryable


def test_an_engine_that_listens_to_the_network_is_refused() -> None:
    program = (
        "import socket, os, json, time\n"
        "a = socket.create_server(('127.0.0.1', 0)); b = socket.create_server(('0.0.0.0', 0))\n"
        "path = os.environ['LAUNCHPAD_READY_FILE']\n"
        "open(path + 'x', 'w').write(json.dumps({'port': a.getsockname()[1]})); os.replace(path + 'x', path)\n"
        "time.sleep(60)"
    )
    engine = EngineProcess.start(_command(sys.executable, "-c", program))
    try:
        port = engine.await_ready(engine.ready_message)["port"]
        assert engine.pid is not None
        assert len(listeners(engine.pid)) == 2
        with pytest.raises(LaunchError, match="listens beyond this machine") as caught:
            require_private("simulated", engine.pid, port)
        assert "0.0.0.0:" in str(caught.value.why)
    finally:
        engine.stop()


def test_every_state_can_end_and_ends_are_final() -> None:
    assert all(LEGAL[state] for state in LEGAL if state not in (State.STOPPED, State.FAILED))
    assert not LEGAL[State.STOPPED]
    assert not LEGAL[State.FAILED]
    assert set(LEGAL) == set(State)
