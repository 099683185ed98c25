"""Measurements of launches, kept on this machine: one JSON document per line, the newest last. They never leave it.

A line that cannot be read is skipped, a file that cannot be written is not worth failing a launch for.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from launchpad.fit.calibration import VERSION, Measurement
from launchpad.hardware.machine import Machine
from launchpad.paths import data_dir

MOST = 500  # lines that are kept
LONGEST_FILE = 16 << 20  # bytes; a longer file is not one of ours
LOCK_SECONDS = 2.0
GIB = 1 << 30


def measurements_path() -> Path:
    """The file that they are kept in."""
    return data_dir() / "measurements" / "launches.jsonl"


def fingerprint(machine: Machine) -> str:
    """What makes measurements of one machine useless for another: processor, memory, accelerators."""
    cpu = machine.cpu
    parts: list[object] = [machine.os, cpu.model, cpu.architecture, cpu.cores_physical, cpu.cores_available]
    parts.append(round((machine.memory.total or 0) / GIB))
    parts += [(a.vendor, a.name, round((a.memory_total or 0) / GIB)) for a in machine.accelerators]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def load(machine: Machine) -> tuple[Measurement, ...]:
    """All of this machine, the newest last."""
    own = fingerprint(machine)
    return tuple(one for one in _read(measurements_path()) if one.machine == own)


def record(measurement: Measurement) -> None:
    """Keep one more; the oldest go when there are too many. Does nothing where the disk refuses."""
    import filelock

    path = measurements_path()
    with suppress(OSError, filelock.Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
            kept = [*_read(path), measurement][-MOST:]
            draft = path.with_suffix(f".{os.getpid()}.tmp")
            draft.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in kept))
            draft.replace(path)


def _read(path: Path) -> list[Measurement]:
    try:
        if path.stat().st_size > LONGEST_FILE:
            return []
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    decoder = msgspec.json.Decoder(Measurement)
    found = []
    for line in lines:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.append(decoder.decode(line))
    return [one for one in found if one.version == VERSION]
