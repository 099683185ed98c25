"""Files for which nobody states a hash: fetched once at the user's word, hashed as they come, pinned from then on.

This is the one place where bytes are kept that cannot be checked. What it stores is named by the hash that it found, so
everything after it (the verified pull, `verify`, a bundle) treats the file like any other.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from launchpad.errors import PullError, RefusedError, VerifyError
from launchpad.events import PullFinished, PullStarted, Report
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull import journal, stamps
from launchpad.pull.address import is_strong
from launchpad.pull.claim import claim, sweep
from launchpad.pull.disk import check_space, explained, hold_lock, open_private, publish
from launchpad.pull.http import Unfit, check_status, client, get
from launchpad.pull.job import Job, Throttle
from launchpad.pull.layout import NOTE, Repo
from launchpad.pull.look import Sight, look_at
from launchpad.pull.names import Digest, quote
from launchpad.pull.options import PullOptions
from launchpad.pull.partial import Partial
from launchpad.pull.payload import Payload
from launchpad.pull.progress import Progress
from launchpad.pull.sha256 import BLOCK
from launchpad.pull.transfer import fetch_unjudged
from launchpad.pull.urls import origin, public
from launchpad.pull.watch import Watch

if TYPE_CHECKING:
    import httpx2

_HTML = (b"<!doctype html", b"<html")
_LEAST_PIECE = 16 << 10
_SHARED_PIECE = 1 << 20  # smaller ones are not worth a request of their own


def pinned(resolved: Resolved, report: Report, options: PullOptions) -> Resolved:
    """`resolved` with a hash for every file; those that had none are in the store now. Raises `LaunchpadError`."""
    if all(file.sha256 or file.git_sha1 or file.archive_sha256 for file in resolved.files):
        return resolved
    repo = Repo.of(resolved)
    repo.prepare()
    progress = Progress(resolved.ref, resolved.files[0].size, report)
    files = [
        file
        if file.sha256 or file.git_sha1 or file.archive_sha256
        else _fetch(
            _Taking(resolved=resolved, repo=repo, progress=progress, options=options, report=report), file
        )
        for file in resolved.files
    ]
    digest = files[0].sha256
    ref = f"{resolved.ref}#sha256={digest}" if len(files) == 1 else resolved.ref
    progress.notice(f"Nobody vouches for these bytes. From now on they are pinned: {ref}")
    return replace(resolved, files=tuple(files), ref=ref)


class _Taking(Struct, frozen=True, kw_only=True):
    """What every file of one pull shares."""

    resolved: Resolved
    repo: Repo
    progress: Progress
    options: PullOptions
    report: Report


def _fetch(taking: _Taking, file: RemoteFile) -> RemoteFile:
    """Fetch one file, and go on from what an earlier run left if the server says that it still is the same."""
    repo, progress = taking.repo, taking.progress
    url = file.urls[0]
    if origin(url)[0] != "https" and not url.startswith(("http://127.0.0.1", "http://localhost")):
        raise RefusedError(
            f"{public(url)} is not fetched.",
            why="Over plain http and without a hash, anybody on the way can put other bytes in its place.",
            hint="Give its hash: …#sha256=<64 hex digits>, or an https address.",
        )
    seen = look_at(url)
    if file.size is not None and seen.size != file.size:
        raise _not_whole(file, f"The server announces {seen.size} bytes now, and {file.size} before.")
    same = is_strong(seen.etag or "") and seen.size is not None
    # The name holds what the bytes are known by: those of another state of the file are never gone on from.
    state = f"{url}\n{seen.etag}\n{seen.size}" if same else url
    name = f"unpinned-{hashlib.sha256(state.encode()).hexdigest()[:32]}"
    partial = repo.partial(name)
    wait = f"Another launchpad is pulling {file.path}; waiting for it."
    watch = Watch(partial)
    with hold_lock(repo.lock(name), taking.options, watch.have, file.path, lambda: progress.notice(wait)):
        digest = _taken(repo, partial) if same else None
        if digest is None:
            begin = monotonic()
            taking.report(PullStarted(ref=taking.resolved.ref, size=seen.size, have=watch.have()))
            digest = _take(taking, file, partial, seen if same else None)
            link = repo.place(file.path, digest)
            sweep(repo.partial(digest))  # the links of those that were killed just there
            _tell_end(taking, link, digest, monotonic() - begin)
        else:
            sweep(partial)  # whoever took it may have been killed before this
    return replace(file, sha256=digest, size=repo.blob(digest).stat().st_size)


def _take(taking: _Taking, file: RemoteFile, partial: Path, seen: Sight | None) -> str:
    """Fetch the bytes and give them their name; return the digest. `seen`: what makes them known again, if anything."""
    with claim(partial) as place:
        digest = _resume(taking, file, seen, place) if seen else _from_the_start(file, place, taking)
        if seen:
            _note(partial, digest)  # before the bytes get their name: a kill between the two costs nothing
        _publish(place, taking.repo.blob(digest), digest, taking.resolved)
    sweep(partial)
    return digest


def _tell_end(taking: _Taking, link: Path, digest: str, seconds: float) -> None:
    size = link.stat().st_size
    taking.report(
        PullFinished(ref=taking.resolved.ref, path=str(link), size=size, seconds=seconds, sha256=digest)
    )


def _resume(taking: _Taking, file: RemoteFile, seen: Sight, place: Path) -> str:
    assert seen.etag is not None and seen.size is not None
    options, progress = _by_size(taking.options, seen.size), taking.progress
    payload = Payload(label=file.path, urls=file.urls[:1], size=seen.size, key=place.name.partition(".")[0])
    with (
        Partial(place, payload, piece=options.piece_size, judged=False) as part,
        client(options) as http,
    ):
        if part.to_read:
            progress.notice(f"Checking {part.to_read:,} bytes of {file.path} that are already here.")
        check_space(place.parent, seen.size - part.allocated)
        part.reserve()
        job = Job(http=http, options=options, progress=progress, throttle=Throttle(options.max_rate))
        return fetch_unjudged(part, job, seen.etag)


def _by_size(options: PullOptions, size: int) -> PullOptions:
    """What came after the last whole piece is fetched again after a kill, so all pieces in work must be below 1 %."""
    piece = min(max(size // 1024 // BLOCK * BLOCK, _LEAST_PIECE), options.piece_size)
    return replace(
        options, piece_size=piece, connections=options.connections if piece >= _SHARED_PIECE else 1
    )


def _taken(repo: Repo, partial: Path) -> str | None:
    """The digest of these bytes when they were taken before and lie here."""
    try:
        digest = _place_of_digest(partial).read_text(encoding="ascii")
        return digest if stamps.read(repo.blob(Digest.parse(digest).hex())) else None
    except (OSError, UnicodeDecodeError, RefusedError):
        return None


def _place_of_digest(partial: Path) -> Path:
    """Where it is noted which bytes an unfinished file turned out to have."""
    return partial.with_name(f"{partial.name.replace('unpinned', 'taken')}{NOTE}")


def _note(partial: Path, digest: str) -> None:
    place = _place_of_digest(partial)
    with explained(place), os.fdopen(open_private(place), "w", encoding="ascii") as file:
        file.truncate(0)
        file.write(digest)


def _publish(partial: Path, final: Path, digest: str, resolved: Resolved) -> None:
    quantization = resolved.build.quantization
    stamps.write(final, key=digest, fetched=True, ref=resolved.ref, quantization=quantization, now_at=partial)
    publish(partial, final)
    journal.forget(partial)


def _from_the_start(file: RemoteFile, partial: Path, taking: _Taking) -> str:
    """By a single connection, from the first byte: the server names nothing by which the rest could be recognized."""
    check_space(partial.parent, file.size or 0)
    try:
        with client(taking.options) as http:
            return _stream(http, file.urls[0], partial, file, taking.progress)
    except Unfit as unfit:
        raise unfit.error from unfit.__cause__


def _stream(http: httpx2.Client, url: str, partial: Path, file: RemoteFile, progress: Progress) -> str:
    hasher, done = hashlib.sha256(), 0
    descriptor = open_private(partial)
    with os.fdopen(descriptor, "wb") as out, get(http, url, {}) as response:
        check_status(response, 0.0)
        out.truncate(0)
        for chunk in response.iter_raw():
            if done == 0 and chunk.lstrip()[:15].lower().startswith(_HTML):
                raise VerifyError(f"{public(url)} delivered a web page instead of the file.")
            done += len(chunk)
            if file.size is not None and done > file.size:
                break
            with explained(partial):
                out.write(chunk)
            hasher.update(chunk)
            progress.at(done)
        with explained(partial):
            out.flush()
            os.fsync(out.fileno())
    if done != (file.size if file.size is not None else done) or not done:
        partial.unlink(missing_ok=True)
        raise _not_whole(file, f"{done:,} bytes came, and the server announced {file.size}.")
    return hasher.hexdigest()


def _not_whole(file: RemoteFile, why: str) -> PullError:
    return PullError(
        f"{quote(file.path)} did not come whole.",
        why=why,
        hint="Run the same command again.",
        retryable=True,
    )
