"""Streaming one member out of a verified zip archive (a wheel is one). Nothing is unpacked under a name it brings."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO

from msgspec import Struct

from launchpad.errors import PullError, VerifyError
from launchpad.plugins.spec import RemoteFile
from launchpad.pull.disk import check_space
from launchpad.pull.names import Digest, quote
from launchpad.pull.partial import Partial
from launchpad.pull.payload import Payload
from launchpad.pull.progress import Progress

_CHUNK = 1 << 20


class Member(Struct, frozen=True, kw_only=True):
    """What came out of an archive: bytes and sha256 in hex."""

    size: int
    sha256: str


def extract(archive: Path, file: RemoteFile, target: Path, progress: Progress) -> Member:
    """Write the member that `file` names to `target`, hashed while written, and sync it.

    The archive has been verified, but the member is still capped at its promised size: a zip can be a bomb by
    mistake. Raises `VerifyError` when size or sha256 differ from what `file` promises.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            info = _find(opened, file)
            size = file.size if file.size is not None else info.file_size
            check_space(target.parent, size)
            sha256 = Digest.parse(file.sha256).hex() if file.sha256 else ""
            payload = Payload(label=file.path, urls=(), size=size, key=sha256)
            with Partial(target, payload, keep=False) as part, opened.open(info) as stream:
                part.reset()
                _copy(stream, part, progress)
                return _checked(part, file, sha256)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PullError(
            f"{quote(file.path)} cannot be taken out of its archive.",
            why=f"The archive is damaged or of an unknown kind: {quote(str(error))}.",
            hint="Report this to the author of the package.",
        ) from error


def _find(opened: zipfile.ZipFile, file: RemoteFile) -> zipfile.ZipInfo:
    assert file.member is not None
    try:
        info = opened.getinfo(file.member)
    except KeyError:
        raise PullError(
            f"The archive has no {quote(file.member)}.",
            why=f"It holds {len(opened.namelist())} other files.",
            hint="Check the part of the reference after the version.",
        ) from None
    if file.size is not None and info.file_size != file.size:
        raise _differs(file, f"it has {info.file_size:,} bytes, not {file.size:,}")
    return info


def _copy(stream: IO[bytes], part: Partial, progress: Progress) -> None:
    while chunk := stream.read(_CHUNK):
        if part.have + len(chunk) > (part.payload.size or 0):
            raise VerifyError(
                f"{quote(part.payload.label)} is larger in its archive than promised.",
                why=f"It goes on after {part.payload.size:,} bytes.",
                hint="Report this to the author of the package.",
            )
        part.write(chunk)
        progress.unpacked(part.have)


def _checked(part: Partial, file: RemoteFile, sha256: str) -> Member:
    digest = part.hexdigest()
    if digest is None:
        raise _differs(file, f"it has {part.have:,} bytes, not {part.payload.size:,}")
    if sha256 and digest != sha256:
        raise _differs(file, f"its sha256 is {digest}, not {sha256}")
    part.sync()
    return Member(size=part.have, sha256=digest)


def _differs(file: RemoteFile, fault: str) -> VerifyError:
    return VerifyError(
        f"{quote(file.path)} in the archive is not what the catalog promises.",
        why=f"{fault[0].upper()}{fault[1:]}.",
        hint="The package has changed or the catalog is wrong: report it.",
    )
