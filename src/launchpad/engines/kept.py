"""Engines that outlive the command that started them: handing over to a keeper, finding, attaching.

Beside the record of a kept engine lie two private files: `<token>.server`, which holds the key, and `<token>.plan`,
from which it was started.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from launchpad.engines import process, registry, use
from launchpad.engines.command import READY_VARIABLE, TOKEN_VARIABLE, clean_environment
from launchpad.engines.identity import identify, lives
from launchpad.engines.log import EngineLog
from launchpad.engines.ray.entry import failure_in
from launchpad.engines.server import Server
from launchpad.engines.state import State
from launchpad.errors import EngineError

LOST_SECONDS = 40.0  # that a companion takes at most for its engine and its workers to be gone
CAN_KEEP = sys.platform != "win32"


def keep(server: Server, plan: bytes, idle: float | None) -> KeptServer | None:
    """Let this engine outlive this process, until it was not used for `idle` seconds (None: until it is stopped).

    `plan` is what it was started from, as JSON. Returns the handle to use from now on, or None when the engine is not
    launchpad's own process and therefore not launchpad's to keep. Raises `EngineError`.
    """
    engine = process.of_token(server.id)
    if engine is None:
        return None
    if not CAN_KEEP:
        raise EngineError(
            "Engines cannot be kept on Windows.",
            why="They end with the command that started them.",
            hint="Leave --keep out, or leave the command running in a terminal of its own.",
        )
    registry.write_private(f"{server.id}.server", msgspec.json.encode(server))
    registry.write_private(f"{server.id}.plan", plan)
    _hand_over(engine, idle)
    kept = attach(server.id)
    if kept is None:
        raise EngineError(f"{server.model} ended right after it was started.", hint="launchpad logs")
    return kept


def _hand_over(engine: process.EngineProcess, idle: float | None) -> None:
    pipes = engine.guard_pipes()
    environment = {
        **clean_environment(),
        TOKEN_VARIABLE: engine.token,
        READY_VARIABLE: str(registry.run_dir()),
    }
    if home := os.environ.get("LAUNCHPAD_HOME"):
        environment["LAUNCHPAD_HOME"] = home
    keeper = subprocess.Popen(
        [sys.executable, "-P", "-m", "launchpad.engines.keeper"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=pipes,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    assert keeper.stdin
    assert keeper.stdout
    job = {"token": engine.token, "to_guard": pipes[0], "from_guard": pipes[1], "idle": idle}
    try:
        with keeper.stdin, keeper.stdout:
            keeper.stdin.write(json.dumps({**job, "grace": engine.command.grace}).encode() + b"\n")
            keeper.stdin.flush()
            me = identify(keeper.pid)
            if keeper.stdout.readline() != b"ready\n" or me is None:
                raise EngineError("The engine cannot be kept.", why="Its keeper did not start.")
            held = os.open(registry.run_dir() / f"{engine.token}.attached", os.O_CREAT | os.O_WRONLY, 0o600)
            os.close(held)
            engine.release(replace(engine.record(), launcher=me, kept=registry.Kept(idle=idle)))
            keeper.stdin.write(b"go\n")
    except BaseException:
        keeper.kill()
        keeper.wait()
        raise
    # Whoever lives longer reaps it: this process, as long as it runs, or the system.
    threading.Thread(target=keeper.wait, name="keeper", daemon=True).start()


class KeptServer:
    """A `RunningServer` that somebody else owns: `stop` only lets go of it."""

    def __init__(self, record: registry.Record, server: Server, lock: int) -> None:
        self.record = record
        self.server = server
        self._lock: int | None = lock
        self._log = EngineLog(registry.log_dir() / f"{record.token}.log")

    def alive(self) -> bool:
        """False once the engine process is gone."""
        return self.record.engine is not None and lives(self.record.engine) and self._failure() is None

    def ended(self) -> str | None:
        """How the engine ended, when it did so unasked."""
        now = registry.read(self.record.token)
        return self._failure() or (now.ended if now else None)

    def _failure(self) -> str | None:
        failure = _lost(self.record)
        return None if failure is None else f"a failure on its cluster ({failure.rstrip('.')})"

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that the engine wrote."""
        return self._log.tail(lines)

    def stop(self) -> None:
        """Let go; the engine stays for whoever comes next. Idempotent."""
        if self._lock is not None:
            use.touch(self.record.token)
            os.close(self._lock)
            self._lock = None


def _lost(record: registry.Record) -> str | None:
    """What has failed where it really runs, on a cluster: it is lost before the process here has tidied up."""
    failure = failure_in(EngineLog(registry.log_dir() / f"{record.token}.log").tail(200))
    return None if failure is None else failure[0]


def attach(token: str) -> KeptServer | None:
    """Rely on a kept engine until `stop`; None when it is not there, or about to go."""
    if not CAN_KEEP or not registry.is_known(token):
        return None
    lock = use.take(token, "attached")
    if lock is None:
        return None
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        record = registry.read(token)
        server = msgspec.json.decode((registry.run_dir() / f"{token}.server").read_bytes(), type=Server)
        if record is not None and is_usable(record):
            return KeptServer(record, server, lock)
    os.close(lock)
    return None


def is_usable(record: registry.Record) -> bool:
    """Whether this is a kept engine of this machine that is loaded, with all who watch over it."""
    return _is_here(record) and _lost(record) is None


def _is_here(record: registry.Record) -> bool:
    return (
        record.kept is not None
        and record.host == registry.host()
        and record.state is State.READY
        and lives(record.launcher)
        and record.engine is not None
        and lives(record.engine)
    )


def usable() -> Iterator[registry.Record]:
    """All kept engines that can be attached to, the last started first."""
    found = [record for record in registry.records() if is_usable(record)]
    return iter(sorted(found, key=lambda record: -record.started))


def await_lost(seconds: float = LOST_SECONDS) -> bool:
    """Wait until those that their cluster has lost are gone; whether there were any."""
    limit, found = time.monotonic() + seconds, False
    while time.monotonic() < limit and any(_is_here(one) and _lost(one) for one in registry.records()):
        found = True
        time.sleep(0.1)
    return found


def plan_of(token: str) -> bytes | None:
    """What a kept engine was started from, as JSON."""
    try:
        return (registry.run_dir() / f"{token}.plan").read_bytes()
    except OSError:
        return None
