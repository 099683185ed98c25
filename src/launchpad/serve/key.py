"""The key that every request needs: made once, kept where only the user can read it, shown to a terminal when it is made."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from launchpad.errors import RefusedError, UsageError
from launchpad.paths import state_dir

PREFIX = "lp-"  # so that secret scanners, and people, see what it is
SHORTEST = 16  # characters of a key that a user brings


def default_file() -> Path:
    """Where the gateway's own key is kept. It outlives the gateway: agents that were told it go on working."""
    return state_dir() / "serve.key"


def own_key(*, renew: bool = False) -> tuple[str, bool]:
    """The gateway's own key, and whether it is new."""
    path = default_file()
    if not renew and path.exists():
        return read(path), False
    key = PREFIX + secrets.token_urlsafe(32)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        os.write(fd, f"{key}\n".encode())
    finally:
        os.close(fd)
    draft.replace(path)
    return key, True


def read(path: Path) -> str:
    """The key in the file. Raises `RefusedError` when others can read it, `UsageError` when it is none."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise UsageError(f"The key file {path} cannot be read.", why=error.strerror) from error
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise UsageError(f"{path} is not a file.", hint="Give --key-file a file with one line.")
        if sys.platform != "win32" and (facts.st_mode & 0o077 or facts.st_uid not in (os.getuid(), 0)):
            raise RefusedError(
                f"Others can read the key in {path}.",
                why=f"Its mode is {stat.S_IMODE(facts.st_mode):04o}.",
                hint=f"chmod 600 {path}",
            )
        text = os.read(fd, 4096).decode("utf-8", "replace")
    finally:
        os.close(fd)
    key = text.strip()
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or len(key.split()) != 1:
        raise UsageError(
            f"{path} holds no usable key.",
            why=f"A key is one line of at least {SHORTEST} letters, digits and signs.",
            hint=f"openssl rand -hex 24 > {path}",
        )
    return key
