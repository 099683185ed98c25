"""Fetching one payload: resume, retry, give up on an address, and never believe what arrives."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING

from msgspec import Struct

from launchpad.errors import LaunchpadError, PullError, VerifyError
from launchpad.pull.http import Unfit, check_status, excerpt, get, web_page
from launchpad.pull.names import quote
from launchpad.pull.options import PullOptions
from launchpad.pull.partial import Partial
from launchpad.pull.progress import Progress
from launchpad.pull.urls import public

if TYPE_CHECKING:
    import httpx2

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_PROGRESS = 64 << 10  # a try that brings less than this counts as a try without progress
_HTML = (b"<!doctype html", b"<html")


class Job(Struct, frozen=True, kw_only=True):
    """What every try of one pull shares. The token goes to `token_host` alone."""

    http: httpx2.Client
    options: PullOptions
    progress: Progress
    token: str | None = None
    token_host: str | None = None

    def __repr__(self) -> str:
        return "Job()"  # the token must not show up in a traceback


class _BrokenRange(Exception):
    """The address cannot continue a file, so a partial is of no use with it."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


def fetch(part: Partial, job: Job) -> None:
    """Complete `part` with verified bytes, and sync it.

    Each address gets two chances to deliver the right content, the second from byte 0. Raises `VerifyError` when all
    content was wrong, else the error of the last address.
    """
    urls = part.payload.urls
    failed: LaunchpadError | None = None
    if part.complete and _verified(part):
        return
    for number, url in enumerate(urls):
        error = _try_address(part, job, url, last=number == len(urls) - 1)
        if error is None:
            part.sync()
            return
        # That some address delivered wrong bytes says more than that another was silent.
        failed = failed if isinstance(failed, VerifyError) and not isinstance(error, VerifyError) else error
        if number < len(urls) - 1:
            job.progress.notice(f"{error.what} Trying the next address.")
    raise failed or PullError(
        f"There is no address for {quote(part.payload.label)}.",
        why="The source resolved it without one.",
        hint="Report this to the author of the source plugin.",
    )


def _verified(part: Partial) -> bool:
    if part.hexdigest == part.payload.key:
        part.sync()
        return True
    part.reset()
    return False


def _try_address(part: Partial, job: Job, url: str, *, last: bool) -> LaunchpadError | None:
    """Return None when `part` is complete and right, else what is wrong with this address."""
    error: LaunchpadError | None = None
    for _ in range(2):
        try:
            _complete(part, job, url)
        except Unfit as unfit:
            return unfit.error
        except _BrokenRange as broken:
            error = _wrong(part, url, broken.fault)
            if not last:
                return error  # keep the partial: the next address may continue it
            part.reset()
            continue
        if part.hexdigest == part.payload.key:
            return None
        error = _wrong(
            part, url, f"the sha256 differs: {part.hexdigest} came, {part.payload.key} was promised"
        )
        job.progress.notice(f"{error.what} Starting again from the first byte.")
        part.reset()
    return error


def _complete(part: Partial, job: Job, url: str) -> None:
    """Stream until all bytes are here, with new connections as needed. Raises `Unfit` when it does not get on."""
    tries, etag = 0, _Validator()
    while True:
        before = part.offset
        try:
            if part.complete or _stream(part, job, url, etag):
                return
            raise Unfit(_wrong(part, url, f"it ends after {part.offset:,} bytes, too early"), retry=True)
        except Unfit as unfit:
            tries = 1 if part.offset - before >= _PROGRESS else tries + 1
            if not unfit.retry or tries > job.options.retries:
                raise
            _wait(job, unfit, tries)


def _wait(job: Job, unfit: Unfit, tries: int) -> None:
    options = job.options
    backoff = min(options.backoff_seconds * 2 ** (tries - 1), options.longest_wait)
    # Jitter keeps a fleet of launchers from coming back in step.
    seconds = unfit.after if unfit.after is not None else backoff * random.uniform(0.75, 1.25)  # noqa: S311
    if seconds >= 1:
        job.progress.notice(f"{unfit.error.why or unfit.error.what} Next try in {seconds:.0f} s.")
    sleep(seconds)


class _Validator:
    """The strong ETag under which the bytes so far came from one address."""

    def __init__(self) -> None:
        self.etag: str | None = None

    def remember(self, response: httpx2.Response) -> None:
        etag = response.headers.get("ETag", "")
        self.etag = etag if etag.startswith('"') and etag.isascii() else None


def _stream(part: Partial, job: Job, url: str, validator: _Validator) -> bool:
    """Run one request; True when the payload is complete as far as this answer can tell."""
    headers = {}
    if part.offset:
        headers["Range"] = f"bytes={part.offset}-"
        if validator.etag:
            headers["If-Range"] = validator.etag
    with get(job.http, url, headers, token=job.token, token_host=job.token_host) as response:
        check_status(response, job.options.longest_wait)
        total = _accept(part, response)
        validator.remember(response)
        for chunk in _steady(response, job.options):
            if part.offset == 0 and chunk.lstrip()[:15].lower().startswith(_HTML):
                raise Unfit(web_page(url, excerpt(chunk)))
            part.write(chunk)
            job.progress.at(part.offset)
            if part.complete:
                return True  # whatever else it sends is not wanted
    # Without a size from the metadata, the end of a whole answer must do: the hash decides.
    return part.payload.size is None and (total is None or part.offset == total)


def _accept(part: Partial, response: httpx2.Response) -> int | None:
    """Check that the answer continues `part` (or restarts it); return the total that it announces."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise Unfit(_wrong(part, str(response.url), f"it comes with the encoding {quote(encoding)}"))
    if response.status_code == 200:
        if part.offset:
            part.reset()
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isascii() and length.isdigit() else None
    if not part.offset:
        raise _BrokenRange(f"it answers {response.status_code} to a request for the whole file")
    if response.status_code == 416:
        raise _BrokenRange("it says that the file ends before the part that is missing")
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not match or int(match[1]) != part.offset:
        raise _BrokenRange("it answers with another part than the one asked for")
    total = None if match[3] == "*" else int(match[3])
    if part.payload.size is not None and total != part.payload.size:
        raise _BrokenRange(f"it says that the file has {match[3]} bytes, not {part.payload.size}")
    return total


def _steady(response: httpx2.Response, options: PullOptions) -> Iterator[bytes]:
    """The answer's chunks; raises `Unfit` when they trickle, sleeps when they exceed `max_rate`."""
    begin = window = monotonic()
    got = total = 0
    for chunk in response.iter_raw():
        yield chunk
        got += len(chunk)
        total += len(chunk)
        now = monotonic()
        if now - window >= options.stall_seconds:
            if got < options.floor_rate * (now - window):
                raise Unfit(_slow(str(response.url), got, now - window), retry=True)
            window, got = now, 0
        if options.max_rate and (ahead := total / options.max_rate - (now - begin)) > 0:
            sleep(ahead)


def _slow(url: str, got: int, seconds: float) -> PullError:
    return PullError(
        f"{public(url)} has nearly stopped.",
        why=f"{got:,} bytes came in {seconds:.0f} s.",
        hint="Run the same command again later: it goes on from here.",
        retryable=True,
    )


def _wrong(part: Partial, url: str, fault: str) -> VerifyError:
    return VerifyError(
        f"{quote(part.payload.label)} is not what was promised.",
        why=f"From {public(url)}: {fault}.",
        hint="A proxy, a mirror or the repository has other bytes: try another network, or report it.",
    )
