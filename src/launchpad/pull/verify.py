"""Hashing what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from launchpad.pull.disk import explained
from launchpad.pull.payload import Payload

_CHUNK = 1 << 20


def hash_file(path: Path, payload: Payload, tick: Callable[[int], None]) -> str:
    """The digest of a file by the rules of `payload`, in hex. `tick` hears how many bytes are done."""
    hasher, done = payload.hasher(), 0
    with explained(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            done += len(chunk)
            tick(done)
    return hasher.hexdigest()
