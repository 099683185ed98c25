"""What may go: unfinished pulls, bytes that no model uses, stale locks. Other programs' leftovers are named, not touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from launchpad.errors import BusyError
from launchpad.paths import cache_dir, hub_cache, state_dir, store_dir
from launchpad.pull import stamps
from launchpad.pull.disk import explained
from launchpad.pull.elsewhere import OLLAMA, foreign_roots
from launchpad.pull.inventory import HUGGINGFACE, LAUNCHPAD, blob_of, folders, locked
from launchpad.pull.layout import NOTE, PARTIAL
from launchpad.pull.program_archive import FOLDER as ARCHIVES

_LINK_IN_WORK = re.compile(r"\.[0-9a-f]{16}\.\d+")
_LEFTOVERS = ("*.incomplete", "*-partial*", "*.part", "*.downloadInProgress", "*.download")
_ASK = {
    HUGGINGFACE: "`hf cache prune` removes it",
    OLLAMA: "`ollama pull` goes on with it; a restart of Ollama clears what nobody needs",
}


class Garbage(Struct, frozen=True, kw_only=True):
    """A file that no model needs. Bytes. `ours` says whether launchpad may remove it; `why` not, or what it is."""

    path: str
    kind: str  # partial, blob, lock, stamp, link, archive
    size: int
    owner: str
    ours: bool
    why: str


def find_garbage() -> list[Garbage]:
    """Everything that `collect` would remove, and what looks like it and is others'. Changes nothing."""
    found: list[Garbage] = []
    store = store_dir().resolve()
    for root in dict.fromkeys((hub_cache().resolve(), store)):
        for repo in folders(root):
            if repo.name.startswith("models--"):
                found += _in_repository(repo, own=root == store)
    found += _locks(store)
    found += _stale_stamps()
    found += _archives()
    for owner, root in foreign_roots():
        found += _others(owner, root)
    return found


def collect(garbage: list[Garbage]) -> list[Garbage]:
    """Remove what is ours, but what another launchpad is working on; return what is gone now."""
    return [item for item in garbage if item.ours and _remove(item)]


def _in_repository(repo: Path, *, own: bool) -> Iterator[Garbage]:
    for path in _files(repo / PARTIAL):
        if path.suffix == NOTE and _speaks_of(path, repo / "blobs"):
            continue
        yield _garbage(path, "partial", LAUNCHPAD, "an unfinished pull; the next one would go on from it")
    for link in repo.glob("snapshots/**/.*"):
        if link.is_symlink() and _LINK_IN_WORK.fullmatch(link.name):
            yield _garbage(link, "link", LAUNCHPAD, "left by a pull that was killed")
    used = {blob_of(repo, path) for path in repo.glob("snapshots/**/*") if not path.is_dir()}
    for blob in _files(repo / "blobs"):
        if blob in used:
            continue
        stamp = stamps.last(blob)
        if own or (stamp and stamp.fetched):
            yield _garbage(blob, "blob", LAUNCHPAD, "no model uses it")
        else:
            yield _theirs(blob, HUGGINGFACE)


def _speaks_of(note: Path, blobs: Path) -> bool:
    """Whether the bytes that a note names are here."""
    try:
        return note.read_text(encoding="ascii") in {blob.name for blob in _files(blobs)}
    except (OSError, UnicodeDecodeError):
        return False


def _locks(store: Path) -> Iterator[Garbage]:
    """Locks of launchpad's own store. Those in the Hub's cache are shared with the Hub's own tools, and stay."""
    for path in sorted((store / ".locks").glob("*/*.lock")):
        if not _is_held(path):
            yield _garbage(path, "lock", LAUNCHPAD, "nobody holds it")


def _stale_stamps() -> Iterator[Garbage]:
    for path in _files(state_dir() / "verified"):
        if path.suffix == ".tmp" or not stamps.is_of_something(path):
            yield _garbage(path, "stamp", LAUNCHPAD, "the file that it speaks of is gone")


def _archives() -> Iterator[Garbage]:
    for path in _files(cache_dir() / ARCHIVES):
        if path.suffix == ".lock" and not _is_held(path):
            yield _garbage(path, "lock", LAUNCHPAD, "nobody holds it")
        elif path.suffix != ".lock":
            yield _garbage(
                path, "archive", LAUNCHPAD, "an unfinished installation; the next one would go on from it"
            )


def _others(owner: str, root: Path) -> Iterator[Garbage]:
    found = (path for pattern in _LEFTOVERS for path in root.rglob(pattern))
    with suppress(OSError):
        for path in sorted(set(found)):
            if path.is_file():
                yield _theirs(path, owner)


def _theirs(path: Path, owner: str) -> Garbage:
    why = _ASK.get(owner, f"it belongs to {owner}: remove it there")
    return _garbage(path, "blob" if path.suffix != ".incomplete" else "partial", owner, why, ours=False)


def _garbage(path: Path, kind: str, owner: str, why: str, *, ours: bool = True) -> Garbage:
    info = path.lstat()
    # A sparse file takes less room than its size: only what becomes free counts. No blocks yet: not written out yet.
    blocks = getattr(info, "st_blocks", 0)
    size = min(info.st_size, blocks * 512) if blocks else info.st_size
    return Garbage(path=str(path), kind=kind, size=size, owner=owner, ours=ours, why=why)


def _remove(item: Garbage) -> bool:
    path = Path(item.path)
    if item.kind in ("lock", "stamp", "link"):
        if item.kind == "lock" and _is_held(path):
            return False
        with explained(path):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
        return True
    if item.kind == "archive":
        if _is_held(path.with_name(f"{path.name[:64]}.lock")):
            return False
        with explained(path):
            path.unlink(missing_ok=True)
        return True
    repo = path.parent.parent
    if any(_is_held(lock) for lock in (repo.parent / ".locks" / repo.name).glob("*.lock")):
        return False  # a pull of several files has bytes here that no snapshot names yet
    try:
        with locked(repo, path.name.partition(".")[0], path.name):
            if item.kind == "blob":
                stamps.forget(path)
            with explained(path):
                path.unlink(missing_ok=True)
    except BusyError:
        return False
    for folder in (path.parent, repo / "snapshots", repo / "blobs", repo):
        with suppress(OSError):
            folder.rmdir()
    return True


def _is_held(lock: Path) -> bool:
    """Whether a process has this lock now."""
    import filelock

    handle = filelock.FileLock(str(lock))
    try:
        handle.acquire(timeout=0)
    except (filelock.Timeout, OSError):
        return True
    handle.release()
    return False


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.is_dir() or path.is_symlink())
    except OSError:
        return []
