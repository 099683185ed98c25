"""Unpacking the archive of a program that the user named by its hash: into a new folder, and nowhere else.

Models never come this way: of a model's archive one named member is read (`archive`). Files are written first and links
made last, so that no byte is ever written through a link. Names are judged where all names are (`names`); sizes are
bounded while they are read, for what an archive says of itself can be a bomb.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from msgspec import Struct

from launchpad.errors import PullError, RefusedError
from launchpad.pull.disk import explained
from launchpad.pull.names import check_name, quote

MOST_FILES = 20_000
MOST_BYTES = 8 << 30
_LARGEST_READ = 16 << 20
_LONGEST_TARGET = 1024
_CHUNK = 1 << 20
_OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
}
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
)  # and an `OSError` of gzip and bz2, which has no number


class _Entry(Struct, frozen=True):
    """A folder (`data` and `target` None), a file, or a link to `target`."""

    name: str
    data: IO[bytes] | None = None
    size: int = 0
    executable: bool = False
    target: str | None = None


def unpack(archive: Path, folder: Path) -> None:
    """Put what is in `archive` (zip, tar, tar.gz, tar.xz, tar.bz2) into the new folder `folder`.

    Raises `RefusedError` for what would leave the folder or is neither file, folder nor link, `PullError` for a broken
    archive or a full disk. What was unpacked until then stays: it is the caller's to remove.
    """
    folder.mkdir(mode=0o700, parents=True)
    links: dict[str, str] = {}
    files, total = 0, 0
    try:
        with _entries(archive) as entries:
            for entry in entries:
                files, total = files + 1, total + entry.size
                if files > MOST_FILES or total > MOST_BYTES:
                    raise _refused(
                        archive, f"it holds more than {MOST_FILES:,} files or {MOST_BYTES >> 30} GiB"
                    )
                if entry.target is not None:
                    links[check_name(entry.name)] = entry.target
                else:
                    _write(entry, folder)
    except (*_BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PullError(
            f"{archive.name} cannot be unpacked.",
            why=f"It is damaged or of an unknown kind: {quote(str(error))}.",
            hint="zip, tar, tar.gz, tar.xz and tar.bz2 are known.",
        ) from error
    for name, target in links.items():
        _link(name, target, folder)
    for name, target in links.items():
        if not _is_inside(folder / name, folder):
            raise _refused(archive, f"{quote(name)} links to {quote(target)}, which is not in it")


def _is_inside(link: Path, folder: Path) -> bool:
    """Whether what the system makes of the link, through all others, is there and in the folder."""
    try:
        return link.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a loop
        return False


def _write(entry: _Entry, folder: Path) -> None:
    path = folder / check_name(entry.name)
    with explained(path):
        if entry.data is None:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = (
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        try:
            descriptor = os.open(path, flags, 0o700 if entry.executable else 0o600)
        except FileExistsError:
            raise _refused(folder, f"it has {quote(entry.name)} twice") from None
        with os.fdopen(descriptor, "wb") as out:
            left = entry.size
            while left and (chunk := entry.data.read(min(left, _CHUNK))):
                out.write(chunk)
                left -= len(chunk)
        if left:
            raise EOFError(f"{entry.name} ends early")


def _link(name: str, target: str, folder: Path) -> None:
    """A link to a neighbour inside the folder; where the system makes none, a copy."""
    if (
        not target
        or len(target) > _LONGEST_TARGET
        or "\\" in target
        or "\0" in target
        or Path(target).is_absolute()
    ):
        raise _refused(folder, f"{quote(name)} links to {quote(target)}")
    inside: list[str] = list(Path(name).parent.parts)
    for part in target.split("/"):
        if part == "..":
            if not inside:
                raise _refused(folder, f"{quote(name)} links to {quote(target)}, which is outside")
            inside.pop()
        elif part not in ("", "."):
            inside.append(part)
    path = folder / name
    with explained(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() or path.is_symlink():
            raise _refused(folder, f"it has {quote(name)} twice")
        try:
            path.symlink_to(target)
        except OSError:
            shutil.copy2(folder.joinpath(*inside), path)


# -- what is in it --------------------------------------------------------------------------------------------------


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[_Entry]]:
    with archive.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start[:2] == b"PK":
            with zipfile.ZipFile(raw) as opened:
                yield _of_zip(opened, archive)
            return
        opener = _OPENERS.get(start[:2])
        with (
            opener(raw) if opener else raw as stream,
            tarfile.open(fileobj=cast(IO[bytes], _Bounded(stream)), mode="r:") as tar,
        ):
            yield _of_tar(tar, archive)


class _Bounded:
    """A stream that gives no more than is sane: the sizes of the archive's own records are not to be trusted either."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """At most `_LARGEST_READ` bytes."""
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError(f"a record of {size} bytes")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Not beyond what may be unpacked."""
        if whence or offset > MOST_BYTES + (1 << 30):
            raise tarfile.ReadError(f"a place at byte {offset}")
        return self._stream.seek(offset)

    def tell(self) -> int:
        """Where it is."""
        return self._stream.tell()


def _of_tar(tar: tarfile.TarFile, archive: Path) -> Iterator[_Entry]:
    for member in tar:
        name = _plain(member.name)
        if member.isdir():
            if name:
                yield _Entry(name)
        elif member.issym():
            yield _Entry(name, target=member.linkname)
        elif member.islnk():  # names a file from the top; as a link it says the same
            up = "../" * name.count("/")
            yield _Entry(name, target=f"{up}{_plain(member.linkname)}")
        elif member.isreg() and not member.issparse():
            yield _Entry(name, tar.extractfile(member), member.size, bool(member.mode & 0o111))
        else:
            raise _refused(archive, f"{quote(member.name)} is neither file, folder nor link")


def _of_zip(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Entry]:
    for info in opened.infolist():
        mode = info.external_attr >> 16
        name = _plain(info.filename).rstrip("/")
        if info.flag_bits & 1:
            raise zipfile.BadZipFile("it is encrypted")
        if info.is_dir():
            if name:
                yield _Entry(name)
        elif stat.S_ISLNK(mode):
            with opened.open(info) as data:
                yield _Entry(name, target=data.read(_LONGEST_TARGET + 1).decode("utf-8", "replace"))
        elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
            with opened.open(info) as data:
                yield _Entry(name, data, info.file_size, bool(mode & 0o111))
        else:
            raise _refused(archive, f"{quote(name)} is neither file, folder nor link")


def _plain(name: str) -> str:
    """Without the `./` that tar likes to begin with."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name


def _refused(archive: Path, why: str) -> RefusedError:
    return RefusedError(
        f"{archive.name} is not unpacked.",
        why=f"{why[0].upper()}{why[1:]}.",
        hint="Take the archive from the makers of the program, and compare its hash with theirs.",
    )
