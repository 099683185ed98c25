"""Who works on an unfinished file, for where locks lie.

A lock keeps two launchers apart, but some network file systems say yes to everybody. So the owner also leaves a record
that only one can create. Who finds the record of a living process works in a file of its own: bandwidth is lost, and
nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

import msgspec

from launchpad.engines.identity import Identity, boot_id, identify, lives
from launchpad.pull import journal
from launchpad.pull.disk import explained

SUFFIX = ".owner"
_FRESH = 120.0  # seconds in which a process on another machine must have written, to count as alive


@contextmanager
def claim(partial: Path) -> Iterator[Path]:
    """Yield the file to work in: `partial`, or a private one while another living process has it."""
    record = partial.with_name(partial.name + SUFFIX)
    while not _create(record):
        if _is_alive(record, partial):
            private = partial.with_name(f"{partial.name}.{os.getpid()}")
            try:
                yield private
            finally:
                private.unlink(missing_ok=True)
                journal.forget(private)
            return
        _remove(record)
    try:
        yield partial
    finally:
        with explained(record):
            record.unlink(missing_ok=True)


def sweep(partial: Path) -> None:
    """Take away what killed pulls left of `partial`, now that its content is in place. The caller holds its lock."""
    if _is_alive(partial.with_name(partial.name + SUFFIX), partial):
        return  # a lock that lies
    for pattern in (f"{partial.name}*", f"{partial.name[:16]}.*.link"):
        for path in partial.parent.glob(pattern):
            if not any(part.isdecimal() and identify(int(part)) for part in path.name.split(".")[1:]):
                with explained(path):
                    path.unlink(missing_ok=True)


def _create(record: Path) -> bool:
    """Leave our record; False when somebody's is there. It appears with its content, or not at all."""
    mine = identify(os.getpid())
    temporary = record.with_name(f"{record.name}.{os.getpid()}")
    with explained(record):
        try:
            temporary.unlink(missing_ok=True)
            with temporary.open("xb") as file:
                file.write(msgspec.json.encode(mine))
            try:
                record.hardlink_to(temporary)
            except FileExistsError:
                return False
            except OSError:  # no hard links here: the one who creates it is the one
                with record.open("xb") as file:
                    file.write(msgspec.json.encode(mine))
            return True
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)


def _remove(record: Path) -> None:
    """Take a dead process's record away. Only one of several who try gets it; the others look again."""
    grave = record.with_name(f"{record.name}.{os.getpid()}")
    with suppress(FileNotFoundError), explained(record):
        record.replace(grave)
        grave.unlink()


def _is_alive(record: Path, partial: Path) -> bool:
    try:
        owner = msgspec.json.decode(record.read_bytes(), type=Identity)
    except FileNotFoundError:
        return False
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return False  # the lock says that nobody is here, and this is no record
    if owner.boot == boot_id():
        return lives(owner)
    return _written_lately(partial)


def _written_lately(partial: Path) -> bool:
    """Whether somebody, perhaps on another machine, is at work on it."""
    try:
        return abs(time() - partial.stat().st_mtime) < _FRESH
    except OSError:
        return False
