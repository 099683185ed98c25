"""Records of the engines that run: `state/run/<token>.json`, one file each, written before the process exists.

A record outlives a crash of everything; the next start finds it and `sweep` ends what it speaks of. Records hold no
secret. Other files of the same start bear the token's name too and go with the record.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.engines.identity import Identity, kill_with_token, lives, with_token
from launchpad.engines.server import EngineReport
from launchpad.engines.state import State
from launchpad.paths import state_dir

LOGS_KEPT = 10
LONGEST_PLACE = (
    50  # bytes of a folder for temporary files in which sockets of any engine still have short enough paths
)


class Kept(Struct, frozen=True, kw_only=True):
    """An engine that outlives the command that started it. Unloaded after `idle` seconds without use; None: never."""

    idle: float | None


class Record(Struct, frozen=True, kw_only=True):
    """One engine start. `launcher` owns it; `guard`, `engine` and `endpoint` are known once they are there.

    `host` matters where several machines, or containers, share one home folder: each sweeps only for itself.
    `started` is wall-clock time, `asleep` what the computer had slept by then. `ended` says how it ended, when that was not asked for.
    """

    token: str
    host: str
    backend: str
    model: str
    launcher: Identity
    guard: Identity | None = None
    engine: Identity | None = None
    endpoint: str | None = None
    report: EngineReport | None = None
    size: int | None = None  # bytes that loading brings into memory
    state: State = State.STARTING
    started: float = 0.0
    asleep: float = 0.0
    kept: Kept | None = None
    ended: str | None = None
    version: int = 1


def run_dir() -> Path:
    """Folder of the records, private to the user."""
    return _private(state_dir() / "run")


def log_dir() -> Path:
    """Folder of the engines' logs, private to the user."""
    return _private(state_dir() / "logs")


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write(record: Record) -> None:
    """Write the record at once: a reader, or a crash, sees all of it or nothing.

    There is no fsync: what a power cut takes from the disk it has ended as a process, too.
    """
    write_private(f"{record.token}.json", msgspec.json.encode(record))


def write_private(name: str, content: bytes) -> None:
    """Write a file that only the user can read, whole or not at all, into the folder of the records."""
    path = run_dir() / name
    draft = path.with_name(f"{name}.{os.getpid()}.{threading.get_ident()}.tmp")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:  # noqa: PTH123  (a descriptor)
        file.write(content)
    draft.replace(path)


def read(token: str) -> Record | None:
    """The record of one start; None when it is gone."""
    try:
        return msgspec.json.decode((run_dir() / f"{token}.json").read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def is_known(token: str) -> bool:
    """Whether there is a record of this start."""
    return (run_dir() / f"{token}.json").exists()


def scratch(token: str, variables: Collection[str]) -> dict[str, str]:
    """These variables with the path of a new folder, which goes when the start is forgotten; no folder for none of them.

    It lies in the system's folder for such, as a socket's path may have no more than some 100 bytes.
    """
    if not variables:
        return {}
    import tempfile  # with shutil 5 ms, which most engines do not need

    usual = tempfile.gettempdir()
    short = os.name != "posix" or len(os.fsencode(usual)) <= LONGEST_PLACE
    folder = tempfile.mkdtemp(prefix="launchpad-", dir=usual if short else "/tmp")  # noqa: S108  (mkdtemp: new and private)
    write_private(f"{token}.scratch", os.fsencode(folder))
    return dict.fromkeys(variables, folder)


def forget(token: str) -> None:
    """Remove the record, what else bears the token's name in its folder, and the engine's scratch folder."""
    for path in run_dir().glob(f"{token}.*"):
        if path.suffix == ".scratch":
            import shutil

            with contextlib.suppress(FileNotFoundError):  # forgotten by another process just now
                shutil.rmtree(os.fsdecode(path.read_bytes()), ignore_errors=True)
        path.unlink(missing_ok=True)


def records() -> Iterator[Record]:
    """All readable records; a damaged one is removed, for it names nothing that could be found."""
    for path in sorted(run_dir().glob("*.json")):
        try:
            record = msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            continue
        except msgspec.MsgspecError:
            record = None
        if record is None or record.token != path.stem:
            path.unlink(missing_ok=True)
        else:
            yield record


def running() -> Iterator[Record]:
    """The engines of living launchers of this user, on this machine."""
    return (record for record in records() if record.host == host() and lives(record.launcher))


def host() -> str:
    """The name that this machine's records bear."""
    return platform.node()


def sweep(patience: float = 2.0) -> tuple[Record, ...]:
    """End what dead launchers left behind, and tidy their files. Returns the records that still had processes.

    A guard that is just cleaning up gets `patience` seconds to finish, for it sees more than the tokens do.
    """
    dead = [record for record in records() if record.host == host() and not lives(record.launcher)]
    leftovers = tuple(record for record in dead if end(record.token, record.guard, patience))
    for record in dead:
        forget(record.token)
    _tidy_logs()
    return leftovers


def end(token: str, guard: Identity | None, patience: float) -> bool:
    """Kill every process of one start; True when there were any. Returns when they are gone (or cannot be killed)."""
    if guard and lives(guard):
        _until(lambda: not lives(guard), patience)
    hit = False
    for _ in range(50):
        if not kill_with_token(token):
            break
        hit = True
        _until(lambda: not any(with_token({token})), 0.1)
    return hit


def _until(condition: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)


def _tidy_logs() -> None:
    live = {record.token for record in records()}
    logs = [path for path in log_dir().glob("*.log*") if path.name.partition(".")[0] not in live]
    with contextlib.suppress(OSError):  # another launchpad tidies, too
        logs.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in logs[LOGS_KEPT:]:
            path.unlink(missing_ok=True)
