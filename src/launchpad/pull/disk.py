"""Folders, locks and free space of a store: nothing here follows a planted link or writes into a stranger's folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic, sleep

from launchpad.errors import BusyError, DiskFull, LaunchpadError, PullError, RefusedError
from launchpad.pull.options import PullOptions

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_MARGIN = 1 << 30
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE


def make_root(root: Path) -> None:
    """Create the store's top folder where needed. Raises `RefusedError` unless it is safe to write to."""
    with explained(root):
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
    check_folder(root)


def make_folder(root: Path, *parts: str) -> Path:
    """Create `root/parts...`, one level at a time, and return it. No level may be a link or belong to another user."""
    folder = root
    for part in parts:
        folder = folder / part
        with explained(folder), suppress(FileExistsError):
            folder.mkdir(mode=0o755)
        check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Raise `RefusedError` unless `folder` is a real folder of this user that others cannot write to."""
    with explained(folder):
        info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise _planted(folder, "it is a link or a file where a folder belongs")
    if os.name == "posix":
        if info.st_uid != os.geteuid():
            raise _planted(folder, f"it belongs to another user (uid {info.st_uid})")
        if info.st_mode & stat.S_IWOTH:
            raise _planted(folder, "every user of this machine can write to it")


def open_private(path: Path) -> int:
    """Open `path` for reading and writing, creating it for this user alone, and return the descriptor.

    A link, a second name (hard link), a FIFO, a device, a folder or a stranger's file is a `RefusedError`.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    # O_NONBLOCK: opening a FIFO that someone planted must not wait for its other end.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with explained(path):
            descriptor = os.open(path, flags, 0o600)
    except PullError as error:
        if path.is_symlink() or path.is_dir():
            raise _planted(path, "it is a link or a folder where a file belongs") from error
        raise
    info = os.fstat(descriptor)
    if fault := _not_private(info):
        os.close(descriptor)
        raise _planted(path, fault)
    return descriptor


def open_same(path: Path, descriptor: int) -> int:
    """A second descriptor for reading the file that `open_private` opened. Raises `RefusedError` for another one."""
    flags = (
        os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    )
    with explained(path):
        other = os.open(path, flags)
    if not os.path.sameopenfile(descriptor, other):
        os.close(other)
        raise _planted(path, "it was replaced while it was opened")
    return other


def _not_private(info: os.stat_result) -> str | None:
    if not stat.S_ISREG(info.st_mode):
        return "it is not a plain file"
    if os.name == "posix" and info.st_uid != os.geteuid():
        return f"it belongs to another user (uid {info.st_uid})"
    if info.st_nlink > 1:
        return "it has a second name elsewhere"
    return None


@contextmanager
def hold_lock(
    path: Path, options: PullOptions, waiting: Callable[[], int], what: str, on_wait: Callable[[], None]
) -> Iterator[None]:
    """Hold the lock file `path`; wait while another process has it.

    `waiting` is polled and tells how many bytes the other one has; `on_wait` is called once. Raises `BusyError` when
    that figure has not moved for `options.lock_timeout` seconds. The lock dies with its process.
    """
    import filelock

    if path.is_symlink():
        raise _planted(path, "it is a link where a lock belongs")
    lock = filelock.FileLock(str(path))
    seen, since, told = -1, monotonic(), False
    while True:
        with explained(path):
            try:
                lock.acquire(timeout=0)
                break
            except filelock.Timeout:
                pass
        if not told:
            on_wait()
            told = True
        if (have := waiting()) != seen:
            seen, since = have, monotonic()
        elif monotonic() - since >= options.lock_timeout:
            raise BusyError(
                f"Another launchpad is pulling {what}.",
                why=f"It holds {path} and has not moved for {options.lock_timeout:.0f} s.",
                hint="Wait for it or end it, then try again.",
                retryable=True,
            )
        sleep(options.poll_seconds)
    try:
        yield
    finally:
        lock.release()


def publish(partial: Path, final: Path) -> None:
    """Give a complete, synced file its final name, and make the name survive a power cut."""
    if final.is_dir() and not final.is_symlink():
        raise _planted(final, "it is a folder where a file belongs")
    with explained(final):
        partial.replace(final)
        sync_folder(final.parent)
        if partial.parent != final.parent:
            sync_folder(partial.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot; the rename is still atomic
        pass
    finally:
        os.close(descriptor)


def check_space(folder: Path, needed: int) -> None:
    """Raise `DiskFull` with the missing bytes unless `needed` more bytes and a small margin fit into `folder`."""
    if needed <= 0:
        return
    free = shutil.disk_usage(folder).free
    missing = needed + min(needed // 20, _MARGIN) - free
    if missing > 0:
        raise full(folder, missing, f"{needed:,} bytes are still to be written and {free:,} are free.")


def reserve(descriptor: int, folder: Path, size: int, start: int, stop: int) -> bool:
    """Have the system set aside room for the bytes start ≤ i < stop of `size`, and say whether it did anything.

    Raises `DiskFull` when there is not so much. Where the file system cannot reserve, the check of the free space
    before must do. The length of the file stays as it is.
    """
    info = os.fstat(descriptor)
    allocated = getattr(info, "st_blocks", 0) * 512
    if allocated >= size or (fallocate := _fallocate()) is None:
        return False
    while (fault := fallocate(descriptor, _KEEP_SIZE, start, stop - start)) == errno.EINTR:
        pass
    if fault in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        free = shutil.disk_usage(folder).free
        raise full(folder, max(1, size - allocated - free), f"{size:,} bytes could not be reserved.")
    return fault == 0


@cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    """Linux's fallocate(2): 0 or the error's number. glibc's posix_fallocate would write zeros where it is missing."""
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate64
    except (OSError, AttributeError):
        try:
            call = ctypes.CDLL(None, use_errno=True).fallocate
        except (OSError, AttributeError):
            return None
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

    def reserve_bytes(descriptor: int, mode: int, start: int, size: int) -> int:
        return 0 if call(descriptor, mode, start, size) == 0 else ctypes.get_errno()

    return reserve_bytes


def full(folder: Path, missing: int, why: str) -> DiskFull:
    """The error for a disk that lacks `missing` bytes."""
    return DiskFull(
        f"The disk of {folder} is full: {missing:,} bytes are missing.",
        why=why,
        hint="Free some space, or move the store (HF_HUB_CACHE, LAUNCHPAD_HOME); the next pull goes on from here.",
    )


def is_full(error: OSError) -> bool:
    """Say whether the system refused to store more bytes."""
    return error.errno in _FULL


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into a `PullError` that says what to do."""
    try:
        yield
    except LaunchpadError:
        raise
    except OSError as error:
        if is_full(error):
            raise full(path.parent, 1, "The system could not create a file there.") from error
        raise PullError(
            f"The store cannot be used: {path}.",
            why=f"{type(error).__name__}: {error.strerror or error}.",
            hint="Check the permissions, or name another folder with HF_HUB_CACHE or LAUNCHPAD_HOME.",
        ) from error


def _planted(path: Path, fault: str) -> RefusedError:
    return RefusedError(
        f"The store will not touch {path}.",
        why=f"{fault[0].upper()}{fault[1:]}.",
        hint="Remove it or correct its owner and mode if it is yours, or name another store with HF_HUB_CACHE.",
    )
