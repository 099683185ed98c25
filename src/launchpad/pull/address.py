"""One address of a file: what its server turned out to be like, and requests for parts of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from launchpad.errors import VerifyError
from launchpad.pull.http import Unfit, check_status, get
from launchpad.pull.job import Job
from launchpad.pull.names import quote
from launchpad.pull.payload import Payload
from launchpad.pull.urls import origin, public

if TYPE_CHECKING:
    import httpx2

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


def is_strong(etag: str) -> bool:
    """Whether an ETag promises the same bytes, not only the same meaning (RFC 9110, 8.8.1)."""
    return (
        len(etag) > 2
        and etag.startswith('"')
        and etag.endswith('"')
        and etag.isascii()
        and etag.isprintable()
    )


class BrokenRange(Exception):
    """The address cannot continue a file, so a partial is of no use with it."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


class Address:
    """A URL of the payload and what is known about its server. Used by several threads."""

    def __init__(self, url: str, payload: Payload, job: Job, *, only: str | None = None) -> None:
        """With `only`, a strong ETag, no answer under another one is accepted: nothing else tells one content from another."""
        self.url = url
        self.payload = payload
        self.takes_ranges: bool | None = None  # None: nobody asked yet
        self._job = job
        self._only = only
        self._etag = only  # the strong one under which the bytes so far came
        self._shortcut: str | None = None

    @contextmanager
    def open(self, start: int, stop: int | None) -> Iterator[httpx2.Response]:
        """Ask for the bytes start ≤ i < stop (None: to the end); yield an answer that is no error."""
        headers = {}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
            if self._etag:
                headers["If-Range"] = self._etag
        shortcut = self._shortcut
        job = self._job
        token = job.token if shortcut is None else None
        with get(job.http, shortcut or self.url, headers, token=token, token_host=job.token_host) as response:
            try:
                check_status(response, job.options.longest_wait)
            except Unfit as unfit:
                if shortcut is None:
                    raise
                self._shortcut = None  # it may have expired: ask the way again
                raise Unfit(unfit.error, retry=True, after=unfit.after) from unfit
            if shortcut is None:
                self._remember_way(str(response.url))
            yield response

    def accept(self, response: httpx2.Response, start: int) -> tuple[bool, int | None]:
        """Whether the answer is the file from `start` on (not from 0 on), and the total that it announces.

        Raises `BrokenRange` for an answer that is neither, `Unfit` for one in an encoding.
        """
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise Unfit(self.wrong(f"it comes with the encoding {quote(encoding)}"))
        if self._only and response.status_code != 416 and response.headers.get("ETag") != self._only:
            raise Unfit(self.wrong("its ETag is another one now, so it has changed meanwhile"))
        if response.status_code == 200:
            self.takes_ranges = False if "range" in response.request.headers else None
            self._remember_etag(response)
            length = response.headers.get("Content-Length", "")
            return False, int(length) if length.isascii() and length.isdigit() else None
        if "range" not in response.request.headers:
            raise BrokenRange(f"it answers {response.status_code} to a request for the whole file")
        if response.status_code == 416:
            raise BrokenRange("it says that the file ends before the part that is missing")
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != start:
            raise BrokenRange("it answers with another part than the one asked for")
        total = None if match[3] == "*" else int(match[3])
        if self.payload.size is not None and total != self.payload.size:
            raise BrokenRange(f"it says that the file has {match[3]} bytes, not {self.payload.size}")
        self.takes_ranges = True
        self._remember_etag(response)
        return True, total

    def wrong(self, fault: str) -> VerifyError:
        """The error for bytes that are not those that were promised."""
        return VerifyError(
            f"{quote(self.payload.label)} is not what was promised.",
            why=f"From {public(self.url)}: {fault}.",
            hint="A proxy, a mirror or the repository has other bytes: try another network, or report it.",
        )

    def _remember_etag(self, response: httpx2.Response) -> None:
        etag = response.headers.get("ETag", "")
        self._etag = etag if is_strong(etag) else None

    def _remember_way(self, final: str) -> None:
        """Go straight to where the redirects led to: not every piece should ask the hub for the way."""
        if origin(final) != origin(self.url):
            self._shortcut = final
