"""Files for which nobody states a hash: fetched once at the user's word, hashed as they come, pinned from then on.

This is the one place where bytes are kept that cannot be checked. What it stores is named by the hash that it found, so
everything after it (the verified pull, `verify`, a bundle) treats the file like any other.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.errors import PullError, RefusedError, VerifyError
from launchpad.events import Report
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull import journal, stamps
from launchpad.pull.address import is_strong
from launchpad.pull.claim import claim, sweep
from launchpad.pull.disk import check_space, explained, hold_lock, open_private, publish
from launchpad.pull.http import Unfit, check_status, client, get
from launchpad.pull.job import Job, Throttle
from launchpad.pull.layout import Repo
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
        else _fetch(file, resolved, repo, progress, options)
        for file in resolved.files
    ]
    digest = files[0].sha256
    ref = f"{resolved.ref}#sha256={digest}" if len(files) == 1 else resolved.ref
    progress.notice(f"Nobody vouches for these bytes. From now on they are pinned: {ref}")
    return replace(resolved, files=tuple(files), ref=ref)


def _fetch(
    file: RemoteFile, resolved: Resolved, repo: Repo, progress: Progress, options: PullOptions
) -> RemoteFile:
    """Fetch one file, and go on from what an earlier run left if the server says that it still is the same."""
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
    with hold_lock(repo.lock(name), options, Watch(partial).have, file.path, lambda: progress.notice(wait)):
        if same and (done := _taken(repo, partial)):
            return replace(file, sha256=done, size=seen.size)
        check_space(partial.parent, seen.size or 0)
        with claim(partial) as place:
            if same:
                digest, size = _resume(file, seen, name, place, progress, options)
            else:
                digest, size = _from_the_start(file, place, progress, options)
            _publish(place, repo.blob(digest), digest, resolved)
        sweep(partial)
        if same:
            _note(partial, digest)
    return replace(file, sha256=digest, size=size)


def _resume(
    file: RemoteFile, seen: Sight, name: str, place: Path, progress: Progress, options: PullOptions
) -> tuple[str, int]:
    assert seen.etag is not None and seen.size is not None
    options = _by_size(options, seen.size)
    payload = Payload(label=file.path, urls=file.urls[:1], size=seen.size, key=name)
    with (
        Partial(place, payload, piece=options.piece_size, judged=False) as part,
        client(options) as http,
    ):
        if part.to_read:
            progress.notice(f"Checking {part.to_read:,} bytes of {file.path} that are already here.")
        part.reserve()
        job = Job(http=http, options=options, progress=progress, throttle=Throttle(options.max_rate))
        return fetch_unjudged(part, job, seen.etag), seen.size


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
    return partial.with_name(f"{partial.name}.sha256")


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


def _from_the_start(
    file: RemoteFile, partial: Path, progress: Progress, options: PullOptions
) -> tuple[str, int]:
    """By a single connection, from the first byte: the server names nothing by which the rest could be recognized."""
    try:
        with client(options) as http:
            return _stream(http, file.urls[0], partial, file, progress)
    except Unfit as unfit:
        raise unfit.error from unfit.__cause__


def _stream(
    http: httpx2.Client, url: str, partial: Path, file: RemoteFile, progress: Progress
) -> tuple[str, int]:
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
    return hasher.hexdigest(), done


def _not_whole(file: RemoteFile, why: str) -> PullError:
    return PullError(
        f"{quote(file.path)} did not come whole.",
        why=why,
        hint="Run the same command again.",
        retryable=True,
    )
