"""The archive of a program, by an address or a path that ends in its hash: `https://host/x.tar.gz#sha256=<64 hex digits>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from launchpad.errors import PullError, UsageError, VerifyError
from launchpad.events import Report
from launchpad.paths import cache_dir
from launchpad.pull import journal
from launchpad.pull.disk import check_space, explained, hold_lock, make_folder, make_root
from launchpad.pull.http import client
from launchpad.pull.job import Job, Throttle
from launchpad.pull.look import look_at
from launchpad.pull.names import check_digest, check_name
from launchpad.pull.options import PullOptions
from launchpad.pull.partial import Partial
from launchpad.pull.payload import Payload
from launchpad.pull.progress import Progress
from launchpad.pull.transfer import fetch
from launchpad.pull.verify import hash_file
from launchpad.pull.watch import Watch

LARGEST = 4 << 30
FOLDER = "archives"  # in the cache
_HASH = re.compile(r"(?P<place>.+)#sha256[=:](?P<digest>[0-9a-fA-F]{64})", re.ASCII | re.DOTALL)


class ProgramArchive(Struct, frozen=True, kw_only=True):
    """Where it is (an address, or a path on this machine), its sha256, and its size if that is known."""

    place: str
    sha256: str
    size: int | None

    @property
    def remote(self) -> bool:
        """Whether it has to be fetched."""
        return self.place.lower().startswith(("http://", "https://"))

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.place}#sha256={self.sha256}"


def program_archive(text: str) -> ProgramArchive:
    """Read what the user wrote, and look how large it is. Raises `UsageError`, `PullError`."""
    match = _HASH.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text[:200]!a} is no archive that can be verified.",
            why="It has to end in #sha256=<64 hex digits>.",
            hint="The release's page names the sha256; `sha256sum FILE` tells that of a file that you trust.",
        )
    found = ProgramArchive(place=match["place"], sha256=check_digest(match["digest"].lower()), size=None)
    if not found.remote:
        path = Path(found.place).expanduser().absolute()
        if not path.is_file():
            raise UsageError(f"There is no file {path}.", hint="Give its path, or an address with https://.")
        return ProgramArchive(place=str(path), sha256=found.sha256, size=path.stat().st_size)
    size = look_at(found.place).size
    if size is None or size > LARGEST:
        raise PullError(
            f"{found.place} is not fetched.",
            why="Its server does not say how large it is." if size is None else f"It has {size:,} bytes.",
            hint="Fetch it by hand, and give its path.",
        )
    return ProgramArchive(place=found.place, sha256=found.sha256, size=size)


@contextmanager
def verified_archive(archive: ProgramArchive, report: Report) -> Iterator[Path]:
    """The file, with the bytes that were promised; one that was fetched is gone afterwards. Raises `PullError`.

    An unfinished download goes on at the next try.
    """
    payload = Payload(label=archive.place, urls=(archive.place,), size=archive.size, key=archive.sha256)
    if not archive.remote:
        path = Path(archive.place)
        if (digest := hash_file(path, payload, lambda done: None)) != archive.sha256:
            raise VerifyError(
                f"{path.name} is not the archive that was promised.",
                why=f"Its sha256 is {digest}, not {archive.sha256}.",
                hint="Fetch it again from its makers.",
            )
        yield path
        return
    options = PullOptions()
    progress = Progress(archive.place, archive.size, report)
    make_root(cache_dir())
    folder = make_folder(cache_dir(), FOLDER)
    partial = folder / check_name(archive.sha256)
    wait = f"Another launchpad is fetching {archive.place}; waiting for it."
    lock = folder / f"{archive.sha256}.lock"
    watch = Watch(partial)
    with hold_lock(lock, options, watch.have, archive.place, lambda: progress.notice(wait)):
        try:
            with client(options) as http, Partial(partial, payload, piece=options.piece_size) as part:
                check_space(folder, (payload.size or 0) - part.allocated)
                part.reserve()
                throttle = Throttle(options.max_rate)
                fetch(part, Job(http=http, options=options, progress=progress, throttle=throttle))
        except VerifyError:
            _forget(partial)
            raise
        try:
            yield partial
        finally:
            _forget(partial)


def _forget(partial: Path) -> None:
    journal.forget(partial)
    with explained(partial):
        partial.unlink(missing_ok=True)
