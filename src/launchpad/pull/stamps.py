"""Stamps: the memory that a file was hashed, when, and by whom it was fetched.

They lie outside the stores, because the Hub's cache belongs to several programs. A stamp holds for exactly one size
and modification time, so that each start can check a file without reading it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.paths import state_dir

_VERSION = 1


class Stamp(Struct, frozen=True, kw_only=True):
    """That the file `path` had this digest when it had this size and time. `ref` is the build it was pulled for.

    `fetched` is True when launchpad brought the file, False when it found it there (then `ref` may be empty).
    """

    path: str
    size: int
    mtime_ns: int
    key: str
    fetched: bool
    ref: str
    quantization: str | None = None
    version: int = _VERSION


def read(path: Path) -> Stamp | None:
    """The stamp of `path` when it holds: same size, same time. None otherwise, also for a broken stamp."""
    stamp = last(path)
    try:
        info = path.stat()
    except OSError:
        return None
    holds = stamp and (stamp.size, stamp.mtime_ns) == (info.st_size, info.st_mtime_ns)
    return stamp if holds else None


def last(path: Path) -> Stamp | None:
    """The last stamp of `path`, whether it still holds or not."""
    try:
        stamp = msgspec.json.decode(_place(path).read_bytes(), type=Stamp)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return stamp if stamp.version == _VERSION and stamp.path == str(path.resolve()) else None


def write(
    path: Path,
    *,
    key: str,
    fetched: bool,
    ref: str,
    quantization: str | None = None,
    now_at: Path | None = None,
) -> Stamp:
    """Remember that `path` has the digest `key`.

    `now_at` is where the file still lies when it is about to be renamed to `path`: a stamp that is written before
    the rename leaves no moment in which a kill could make the file look like a stranger's.
    """
    info = (now_at or path).stat()
    stamp = Stamp(
        path=str(path.resolve()),
        size=info.st_size,
        mtime_ns=info.st_mtime_ns,
        key=key,
        fetched=fetched,
        ref=ref,
        quantization=quantization,
    )
    _store(path, stamp)
    return stamp


def _store(path: Path, stamp: Stamp) -> None:
    place = _place(path)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = place.with_suffix(f".{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    with temporary.open("xb") as file:  # a link that was planted there would be followed by any other mode
        file.write(msgspec.json.encode(stamp))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(place)


def distrust(path: Path, key: str) -> None:
    """Remember that `path` is not the file with the digest `key` that it should be: no stamp holds until it is again."""
    known = last(path)
    kept = Stamp(
        path=str(path.resolve()),
        size=known.size if known else 0,
        mtime_ns=0,
        key=key,
        fetched=known.fetched if known else False,
        ref=known.ref if known else "",
        quantization=known.quantization if known else None,
    )
    _store(path, kept)


def forget(path: Path) -> None:
    """Remove the stamp of `path`, if there is one. Call it while `path` still exists: links are resolved."""
    _place(path).unlink(missing_ok=True)


def is_of_something(stamp: Path) -> bool:
    """Whether the file that the stamp in `stamp` speaks of is still there."""
    try:
        return Path(msgspec.json.decode(stamp.read_bytes(), type=Stamp).path).exists()
    except (OSError, ValueError, msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _place(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return state_dir() / "verified" / f"{name}.json"
