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
from launchpad.pull import stamps
from launchpad.pull.disk import check_space, explained, hold_lock, open_private, publish
from launchpad.pull.http import Unfit, check_status, client, get
from launchpad.pull.layout import Repo
from launchpad.pull.names import quote
from launchpad.pull.options import PullOptions
from launchpad.pull.progress import Progress
from launchpad.pull.urls import origin, public

if TYPE_CHECKING:
    import httpx2

_HTML = (b"<!doctype html", b"<html")


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
    """Fetch one file by a single connection, from its first byte: without a hash there is nothing to go on from."""
    url = file.urls[0]
    if origin(url)[0] != "https" and not url.startswith(("http://127.0.0.1", "http://localhost")):
        raise RefusedError(
            f"{public(url)} is not fetched.",
            why="Over plain http and without a hash, anybody on the way can put other bytes in its place.",
            hint="Give its hash: …#sha256=<64 hex digits>, or an https address.",
        )
    name = f"unpinned-{hashlib.sha256(url.encode()).hexdigest()[:32]}"
    partial = repo.partial(name)
    wait = f"Another launchpad is pulling {file.path}; waiting for it."
    with hold_lock(
        repo.lock(name), options, lambda: _size(partial), file.path, lambda: progress.notice(wait)
    ):
        if file.size is not None:
            check_space(partial.parent, file.size)
        try:
            with client(options) as http:
                digest, size = _stream(http, url, partial, file, progress)
        except Unfit as unfit:
            raise unfit.error from unfit.__cause__
        build = resolved.build
        final = repo.blob(digest)
        stamps.write(
            final, key=digest, fetched=True, ref=resolved.ref, quantization=build.quantization, now_at=partial
        )
        publish(partial, final)
    return replace(file, sha256=digest, size=size)


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
        raise PullError(
            f"{quote(file.path)} did not come whole.",
            why=f"{done:,} bytes came, and the server announced {file.size}.",
            hint="Run the same command again.",
            retryable=True,
        )
    return hasher.hexdigest(), done


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
