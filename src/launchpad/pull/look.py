"""What a server says of a file before it is fetched: its size and its name for this state of it."""

from __future__ import annotations

from msgspec import Struct

from launchpad.pull.http import Unfit, check_status, client, get
from launchpad.pull.options import PullOptions

_OPTIONS = PullOptions(connect_seconds=10.0, stall_seconds=15.0)


class Sight(Struct, frozen=True, kw_only=True):
    """`size` in bytes and ETag, each None when the server does not say."""

    size: int | None
    etag: str | None


def look_at(url: str) -> Sight:
    """Ask for the first byte alone, by the rules of a pull. Raises `LaunchpadError`."""
    with client(_OPTIONS) as http:
        try:
            with get(http, url, {"Range": "bytes=0-0"}) as response:
                check_status(response, _OPTIONS.longest_wait)
                total = response.headers.get("Content-Range", "").rpartition("/")[2]
                if response.status_code == 200:
                    total = response.headers.get("Content-Length", "")
                etag = response.headers.get("ETag", "")
        except Unfit as unfit:
            raise unfit.error from unfit.__cause__
    known = total.isascii() and total.isdigit() and len(total) < 19
    return Sight(size=int(total) if known else None, etag=etag if etag.isprintable() and etag else None)
