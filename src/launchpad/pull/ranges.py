"""Parts of remote files by ranged requests: the header of a model without its weights.

The rules are those of a pull: checked redirects, the token for its own host only, no answer longer than asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.errors import BadModelFile, LaunchpadError, PullError, VerifyError
from launchpad.gguf import Truncated
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.http import Unfit, check_status, client, get
from launchpad.pull.member import Member
from launchpad.pull.names import quote
from launchpad.pull.options import PullOptions
from launchpad.pull.urls import public

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    import httpx2

    T = TypeVar("T")

LARGEST_HEADER = 1 << 26
SECONDS = 60.0  # for one part; a header that takes longer is not worth the wait
_TRIES = 3
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", re.ASCII)


class Ranges:
    """Reads parts of the files of one resolved build."""

    def __init__(self, http: httpx2.Client, resolved: Resolved, options: PullOptions) -> None:
        self._http, self._resolved, self._options = http, resolved, options
        self._members: dict[str, Member] = {}

    def size(self, file: RemoteFile) -> int | None:
        """Bytes of a file, None when nobody states them. Raises `LaunchpadError`."""
        return self._member(file).size if file.member else file.size

    def read(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Bytes start ≤ i < stop of a file, fewer where it ends before. Raises `LaunchpadError`."""
        return self._member(file).read(start, stop) if file.member else self._plain(file, start, stop)

    def _member(self, file: RemoteFile) -> Member:
        if file.path not in self._members:
            archive = replace(file, member=None, size=file.archive_size)
            self._members[file.path] = Member(partial(self._plain, archive), file)
        return self._members[file.path]

    def _plain(self, file: RemoteFile, start: int, stop: int) -> bytes:
        error: LaunchpadError | None = None
        for url in file.urls:
            for _ in range(_TRIES):
                try:
                    return self._ask(file, url, start, stop)
                except Unfit as unfit:
                    error = unfit.error
                    if not unfit.retry:
                        break
        raise error or PullError(f"There is no address for {quote(file.path)}.")

    def _ask(self, file: RemoteFile, url: str, start: int, stop: int) -> bytes:
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        token, host = self._resolved.token, self._resolved.token_host
        with get(self._http, url, headers, token=token, token_host=host) as response:
            check_status(response, self._options.longest_wait)
            skipped = _skipped(file, response, start)
            body = b"".join(_limited(response, skipped + stop - start))
        wanted = min(stop, file.size if file.size is not None else stop)
        if len(body) - skipped < wanted - start:
            raise Unfit(_wrong(file, url, "the answer ends too early"), retry=True)
        return body[skipped:]

    def header(self, file: RemoteFile, first: int, parse: Callable[[bytes], T]) -> tuple[T, bytes]:
        """What `parse` makes of the file's beginning, asking for more as long as it raises `Truncated`."""
        size = self.size(file)
        if size == 0:
            raise BadModelFile(f"{quote(file.path)} is not a model that can be used.", why="it is empty")
        data, wanted = b"", first
        while True:
            wanted = min(wanted, size or wanted)
            data += self.read(file, len(data), wanted)
            try:
                return parse(data), data
            except Truncated as cut:
                if cut.need > LARGEST_HEADER or len(data) < wanted or wanted == size:
                    raise BadModelFile(
                        f"The header of {quote(file.path)} cannot be used.",
                        why=f"It needs {cut.need:,} bytes; the file has {size or '?'} and {LARGEST_HEADER:,} are read.",
                    ) from None
                # Twice as much keeps the requests few, and what is read in vain below the size of the header.
                wanted = min(max(cut.need, 2 * len(data)), LARGEST_HEADER)
            except BadModelFile as bad:
                raise BadModelFile(
                    f"{quote(file.path)} is not a model that can be used.",
                    why=bad.why or bad.what,
                    hint="Choose another repository or quantization, and report this one to its host.",
                ) from bad


@contextmanager
def ranges(resolved: Resolved) -> Iterator[Ranges]:
    """A reader for the files of `resolved`, with one connection for all of them."""
    options = PullOptions(stall_seconds=15.0, connect_seconds=10.0)
    with client(options) as http:
        yield Ranges(http, resolved, options)


def _skipped(file: RemoteFile, response: httpx2.Response, start: int) -> int:
    """How many bytes of the answer come before `start`: none, unless the server sends the whole file."""
    url = str(response.url)
    if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise Unfit(_wrong(file, url, "it comes compressed"))
    if response.status_code == 200:
        return start
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code != 206 or not match or int(match[1]) != start:
        raise Unfit(_wrong(file, url, "it answers with another part than the one asked for"))
    if file.size is not None and int(match[3]) != file.size:
        raise Unfit(_wrong(file, url, f"it says that the file has {match[3]} bytes, not {file.size}"))
    return 0


def _limited(response: httpx2.Response, most: int) -> Iterator[bytes]:
    """The first `most` bytes of an answer; the connection is closed on the rest."""
    deadline, left = monotonic() + SECONDS, most
    for chunk in response.iter_raw(chunk_size=1 << 16):
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
        if monotonic() > deadline:
            raise Unfit(
                PullError(
                    f"{public(str(response.url))} is too slow to look into.",
                    why=f"{most - left:,} bytes came in {SECONDS:.0f} s.",
                    hint="Try again later, or pull the model: a pull goes on where it stopped.",
                    retryable=True,
                )
            )


def _wrong(file: RemoteFile, url: str, fault: str) -> VerifyError:
    return VerifyError(
        f"{quote(file.path)} is not what was promised.",
        why=f"From {public(url)}: {fault}.",
        hint="A proxy, a mirror or the repository has other bytes: try another network, or report it.",
    )
