"""One engine process under its guard: a state machine from start to the last trace gone."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from launchpad.engines import failure, guards, registry, use
from launchpad.engines.clock import asleep
from launchpad.engines.command import (
    EngineCommand,
    clean_environment,
    how_to_end,
    refuse_options,
)
from launchpad.engines.failure import EngineExit, last_words, missing, oom_kills
from launchpad.engines.identity import Identity, identify
from launchpad.engines.latch import Latch
from launchpad.engines.log import EngineLog
from launchpad.engines.progress import Phase, StallTimer
from launchpad.engines.server import EngineReport
from launchpad.engines.state import LEGAL, State
from launchpad.errors import LaunchError
from launchpad.events import EngineLoading, EngineStarting, EngineStopped, Report, ignore

T = TypeVar("T")

GUARD_LEEWAY = 5.0  # s that the guard gets beyond the engine's grace before it is killed itself
POLL_SHARE = 0.02  # the wait between two looks at a loading engine, as a share of the time taken so far
POLL_FIRST, POLL_LONGEST = 0.005, 0.25  # s
LOOK_SECONDS = 0.25  # between two looks at its memory and log, which cost more
STALL_SECONDS = 120.0
SYNC_SECONDS = 2.0  # longest wait for the guard to catch up with the engine's output

_alive: weakref.WeakSet[EngineProcess] = weakref.WeakSet()  # for `stop_all`


class EngineProcess:
    """An engine that this process started. Every method may be called from any thread.

    Use `start`, then `await_ready`, and `stop` in a `finally`. Whatever happens to this process, the guard ends the
    engine; `stop` makes that orderly.
    """

    def __init__(self, command: EngineCommand, report: Report, token: str) -> None:
        self.command = command
        self._report = report
        self.token = token
        self._ready_file = registry.run_dir() / f"{self.token}.ready"
        self.log = EngineLog(registry.log_dir() / f"{self.token}.log")
        self.exit: EngineExit | None = None
        self.pid: int | None = None
        self._state = State.STARTING
        self._lock = threading.RLock()
        self._answered = Latch()  # the guard has said whether the engine started
        self._gone = Latch()  # the engine and all its descendants have ended
        self._released = Latch()  # another process owns the engine now
        self._synced = Latch()  # the log holds what the engine wrote until it was ready
        self._start_error: tuple[int | None, str] | None = None
        self._oom_kills = oom_kills()
        self._owner = os.getpid()
        self._guard: subprocess.Popen[bytes] | None = None
        self._guard_identity: Identity | None = None
        self._engine_identity: Identity | None = None
        self._started = time.time()
        self._asleep = asleep()
        self._endpoint: str | None = None
        self._engine_report: EngineReport | None = None
        self._told: tuple[str, ...] = ()

    # -- life ---------------------------------------------------------------------------------------------------

    @classmethod
    def start(cls, command: EngineCommand, report: Report = ignore) -> EngineProcess:
        """Spawn the engine. Raises `EngineMissing` when its program cannot be run, `RefusedError` for forbidden options."""
        refuse_options(command)
        registry.sweep()
        token, guard = guards.take()
        process = cls(command, report, token)
        report(EngineStarting(backend=command.backend, model=command.model))
        _alive.add(process)
        try:
            process._spawn_guard(guard)
            process._answered.wait()
            if process._start_error:
                raise missing(command.backend, command.argv[0], *process._start_error)
            with contextlib.suppress(LaunchError):  # it has ended already: `await_ready` tells how
                process._move(State.LOADING)
        except BaseException:
            process.stop()
            raise
        return process

    def await_ready(
        self,
        readiness: Callable[[], T | None],
        *,
        stall_seconds: float = STALL_SECONDS,
        phase: Phase | None = None,
    ) -> T:
        """Call `readiness` until it returns something; that is returned. `phase` tells how far the engine is.

        Raises `LaunchError` when the engine dies first or makes no progress for `stall_seconds`. On any exception
        the engine is stopped.
        """
        try:
            answer = self._poll_until(readiness, partial(self._require_progress, stall_seconds, phase))
            if self.command.own_workers:
                self._tell_guard(b"ready\n")
            self._sync_log()
            self._move(State.READY)
        except BaseException:
            self.stop()
            raise
        return answer

    def ready_message(self) -> dict[str, Any] | None:
        """What the engine wrote (all at once) to the file that LAUNCHPAD_READY_FILE names in its environment, or None.

        Only the user can write to that folder; a line in the log proves nothing: a model file has a say in it.
        """
        try:
            message: dict[str, Any] = json.loads(self._ready_file.read_bytes())
        except FileNotFoundError:
            return None
        return message

    def stop(self) -> None:
        """End the engine and all its descendants: TERM, then KILL after the command's grace. Idempotent."""
        if os.getpid() != self._owner or self._released.is_set():  # a fork of this process has no say
            return
        with self._lock:
            first = self._state in (State.STARTING, State.LOADING, State.READY)
            if first:
                self._state = State.STOPPING
        if first and self._guard is None:
            self._finish()
        elif first:
            self._tell_guard(b"stop\n")
        if not self._gone.wait(self.command.grace + GUARD_LEEWAY):
            self._end_by_force()
        with self._lock:
            if self._state is State.STOPPING:
                self._move(State.STOPPED)
            ours = self in _alive and self._gone.is_set()
            _alive.discard(self)
        if ours:
            with contextlib.suppress(Exception):  # who listens must not keep the next from being stopped
                self._report(EngineStopped(backend=self.command.backend))

    def guard_pipes(self) -> tuple[int, int]:
        """What the next owner of the engine must inherit: where the guard listens, and where it speaks. Raises `LaunchError` when it is gone."""
        self._require_here()
        assert self._guard
        assert self._guard.stdin
        assert self._guard.stdout
        return self._guard.stdin.fileno(), self._guard.stdout.fileno()

    def release(self, owner: registry.Record) -> None:
        """Give the engine to the process that the record names as launcher and that has the guard's pipes already.

        From then on `stop` does nothing. Raises `LaunchError` when the engine ends before.
        """
        with self._lock:
            self._require_here()
            registry.write(owner)
        self._tell_guard(f"owner {owner.launcher.pid}\n".encode())
        while not self._released.wait(0.01):
            self._require_here()
        _alive.discard(self)

    # -- facts --------------------------------------------------------------------------------------------------

    def publish(self, endpoint: str, report: EngineReport | None = None) -> None:
        """Note in the record where the engine answers, and what it did."""
        self._endpoint, self._engine_report = endpoint, report
        with self._lock:
            if not self._gone.is_set():
                registry.write(self.record())

    @property
    def state(self) -> State:
        """Where the engine is in its life; busy while anybody's request is on its way."""
        busy = self._state is State.READY and use.is_held(self.token, "working")
        return State.BUSY if busy else self._state

    def alive(self) -> bool:
        """False once the engine has ended."""
        return not self._gone.is_set() and self.pid is not None

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that the engine wrote."""
        return self.log.tail(lines)

    def died(self, what: str, hint: str | None = None) -> LaunchError:
        """The error to raise for an engine that has ended: signal or exit code, its last words, where its log is."""
        words = last_words(self.log_tail())
        why = f"It ended by {self.exit or EngineExit()}" + (f"; its last words: {words}" if words else "")
        return self.error(what, why, hint)

    def error(self, what: str, why: str, hint: str | None = None) -> LaunchError:
        """A `LaunchError` that carries the log's tail as a note."""
        error = LaunchError(what, why=why, hint=hint or f"The engine's log is {self.log.path}.")
        error.add_note("\n".join(self.log_tail()))
        return error

    # -- waiting ------------------------------------------------------------------------------------------------

    def _poll_until(self, readiness: Callable[[], T | None], watch: Callable[[StallTimer], None]) -> T:
        timer: StallTimer | None = None
        begin = looked = time.monotonic()
        while True:
            if self._gone.is_set() or self._state is not State.LOADING:
                raise self._ended_early()
            assert self.pid is not None
            timer = timer or StallTimer(self.log, self.pid)
            if (answer := readiness()) is not None:
                return answer
            if (now := time.monotonic()) - looked >= LOOK_SECONDS:
                looked = now
                watch(timer)
            self._gone.wait(min(max(POLL_SHARE * (now - begin), POLL_FIRST), POLL_LONGEST))

    def _require_progress(self, stall_seconds: float, phase: Phase | None, timer: StallTimer) -> None:
        if (stalled := timer.look()) > stall_seconds:
            why = f"No log line, no memory growth and no bytes read for {stalled:.0f} s."
            raise self.error(f"{self.command.model} stopped loading in {self.command.backend}.", why)
        if phase is None:
            self._tell_progress(timer.fraction(self.command.size), self.log_tail(1))
        else:
            words, fraction = phase()
            self._tell_progress(fraction, (words,))

    def _require_here(self) -> None:
        if self._gone.is_set():
            raise self._ended_early()

    def _ended_early(self) -> LaunchError:
        what = f"{self.command.backend} could not load {self.command.model}."
        stopped = LaunchError(what, why="It was stopped while it was loading.")
        return failure.at_load(self.died(what), self.exit, self.log_tail()) if self.exit else stopped

    def _tell_progress(self, fraction: float | None, line: tuple[str, ...]) -> None:
        told = (*line, f"{fraction or 0:.2f}")
        if line and told != self._told:
            self._told = told
            self._report(EngineLoading(backend=self.command.backend, fraction=fraction, detail=line[0]))

    def _move(self, state: State) -> None:
        with self._lock:
            if state in LEGAL[self._state]:
                self._state = state
                if state is State.LOADING:
                    registry.write(self.record())
            elif self._state in (State.FAILED, State.STOPPING, State.STOPPED):
                raise self._ended_early()
            else:
                raise RuntimeError(f"An engine cannot go from {self._state.value} to {state.value}.")

    # -- the guard ----------------------------------------------------------------------------------------------

    def _spawn_guard(self, guard: subprocess.Popen[bytes]) -> None:
        registry.write(self.record())
        environment = {
            **clean_environment(),
            **self.command.environment,
            **registry.scratch(self.token, self.command.scratch),
            **guards.marks(self.token),
        }
        self._guard = guard
        threading.Thread(target=self._listen, args=(self._guard,), name="engine", daemon=True).start()
        self._guard_identity = identify(self._guard.pid)
        registry.write(self.record())
        job = {
            "argv": self.command.argv,
            "env": environment,
            "cwd": self.command.cwd,
            "stdin": self.command.stdin,
            "log": str(self.log.path),
            "log_limit": EngineLog.LIMIT,
            "parent": os.getpid(),
            **how_to_end(self.command),
        }
        self._tell_guard(json.dumps(job).encode() + b"\n")

    def _tell_guard(self, message: bytes) -> None:
        if self._guard and self._guard.stdin:
            with contextlib.suppress(OSError, ValueError):  # it is gone; `_listen` notices
                self._guard.stdin.write(message)
                self._guard.stdin.flush()

    def _sync_log(self) -> None:
        """What the engine did is read from its log: all that it wrote until now must be there."""
        if sys.platform != "win32":
            self._tell_guard(b"sync\n")
            self._synced.wait(SYNC_SECONDS)

    def _listen(self, guard: subprocess.Popen[bytes]) -> None:
        """Hear what the guard says until it has left; runs in a thread of its own."""
        assert guard.stdout is not None
        with guard.stdout:
            for line in guard.stdout:
                self._hear(json.loads(line))
                if self._released.is_set():
                    break
        if self._released.is_set():
            self._close_control()
        guard.wait()
        if self._released.is_set():
            return
        if self.exit is None and self._start_error is None:  # the guard itself was killed
            registry.end(self.token, None, 0)
            self.exit = EngineExit()
        self._finish()

    def _hear(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "started":
                self.pid = message["pid"]
                self._engine_identity = identify(message["pid"])
                self._answered.set()
            case "synced":
                self._synced.set()
            case "owner":
                self._released.set()
            case "failed":
                self._start_error = (message["errno"], message["message"])
            case "exited":
                killed = oom_kills()
                self.exit = EngineExit(
                    code=message.get("code"),
                    signal=message.get("signal"),
                    out_of_memory=killed is not None and killed > (self._oom_kills or 0),
                )

    def _finish(self) -> None:
        """The engine and everything below it is gone."""
        with self._lock:
            if self._state is not State.STOPPING:
                self._state = State.FAILED
            self._gone.set()
            registry.forget(self.token)
        self._close_control()
        self._answered.set()

    def _close_control(self) -> None:
        if self._guard and self._guard.stdin:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()

    def _end_by_force(self) -> None:
        """The guard did not answer: kill it, and everything that carries the token."""
        if self._guard:
            self._guard.kill()
        registry.end(self.token, None, 0)
        self._gone.wait(GUARD_LEEWAY)

    def record(self) -> registry.Record:
        """What is known of this start, for other processes to read."""
        me = identify(os.getpid())
        assert me is not None
        return registry.Record(
            token=self.token,
            host=registry.host(),
            backend=self.command.backend,
            model=self.command.model,
            launcher=me,
            guard=self._guard_identity,
            engine=self._engine_identity,
            endpoint=self._endpoint,
            report=self._engine_report,
            size=self.command.size,
            state=self._state,
            started=self._started,
            asleep=self._asleep,
        )


def of_token(token: str) -> EngineProcess | None:
    """The engine of this start, if this process started it and has not stopped or released it."""
    return next((process for process in _alive if process.token == token), None)


@atexit.register
def stop_all() -> None:
    """Stop every engine that this process started, those that are still loading too."""
    for process in list(_alive):
        process.stop()
