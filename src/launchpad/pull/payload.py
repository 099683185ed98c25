"""What is expected of a download, and how its bytes are judged."""

from __future__ import annotations

import hashlib
from typing import Protocol, Self

from msgspec import Struct

from launchpad.errors import RefusedError
from launchpad.plugins.spec import RemoteFile
from launchpad.pull.names import Digest, check_git_sha1, quote
from launchpad.pull.sha256 import Sha256, available


class Hasher(Protocol):
    """The part of a hashlib object that is used here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """The digest so far, in lower-case hex."""
        ...

    def copy(self) -> Self:
        """A second running hash with the same bytes behind it."""
        ...


class Payload(Struct, frozen=True, kw_only=True):
    """The bytes that `urls` must deliver: `size` (None unknown) and one digest, both from metadata.

    `key` is the digest in hex: it names the blob, the partial and the lock. With `git`, it is git's id of the file
    as a blob, which is how the Hub names its small files.
    """

    label: str
    urls: tuple[str, ...]
    size: int | None
    key: str
    git: bool = False

    def hasher(self) -> Hasher:
        """A fresh hash for these bytes."""
        if not self.git:
            return Sha256() if available() else hashlib.sha256()
        hasher = hashlib.sha1(usedforsecurity=False)
        hasher.update(b"blob %d\0" % (self.size or 0))
        return hasher


def of_file(file: RemoteFile) -> Payload:
    """What the urls of a plain file must deliver. Raises `RefusedError` when nothing could be verified."""
    _check_size(file.path, file.size)
    if file.sha256 is not None:
        key, git = Digest.parse(file.sha256).hex(), False
    elif file.git_sha1 is not None and file.size is not None:
        key, git = check_git_sha1(file.git_sha1), True
    else:
        raise _unverifiable(file.path)
    return Payload(label=file.path, urls=file.urls, size=file.size, key=key, git=git)


def of_archive(file: RemoteFile) -> Payload:
    """What the urls of a file that is the member of an archive must deliver: the archive."""
    _check_size(file.path, file.size)
    _check_size(file.path, file.archive_size)
    if file.archive_sha256 is None:
        raise _unverifiable(file.path)
    key = Digest.parse(file.archive_sha256).hex()
    return Payload(label=file.path, urls=file.urls, size=file.archive_size, key=key)


def _check_size(label: str, size: int | None) -> None:
    if size is not None and size < 0:
        raise RefusedError(f"The size of {quote(label)} is refused.", why=f"It is {size}.", hint=_HINT)


def _unverifiable(label: str) -> RefusedError:
    return RefusedError(
        f"{quote(label)} cannot be verified.",
        why="The source names no hash for it, and launchpad keeps no bytes that it cannot check.",
        hint=f"{_HINT} For a web address, add #sha256=…, or take what comes with --allow-unpinned.",
    )


_HINT = "Choose a model of the catalog (`launchpad models`), or another source of this one."
