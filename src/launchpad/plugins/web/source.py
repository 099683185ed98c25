"""Resolving addresses of GGUF files: the hash stands in the address, after `#sha256=`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit

from launchpad.plugins import (
    Build,
    LocalModel,
    Reachability,
    RemoteFile,
    Resolved,
    UsageError,
    check_digest,
    check_name,
    look_at,
    scan_store,
    store_dir,
)

_FRAGMENT = re.compile(r"sha256[=:](?P<digest>[0-9a-fA-F]{64})", re.ASCII)


class Web:
    """Plain web servers. Only the hash in the address makes their bytes trustworthy, so without one nothing is kept
    unless the user insists (`--allow-unpinned`).
    """

    name = "web"
    schemes = frozenset({"https", "http"})

    def reachable(self, timeout: float) -> Reachability:
        """Every address names its own host: there is nothing to ask beforehand."""
        return Reachability(ok=True, why="not asked: every address names its own host")

    def resolve(self, build: Build) -> Resolved:
        """Ask the server for the size; the hash comes from the reference. Raises `PullError`, `RefusedError`."""
        url, digest = _parts(build.ref)
        seen = look_at(url)
        name = check_name(unquote(urlsplit(url).path).rpartition("/")[2])
        pin = next((file for file in build.files if file.path == name), None)
        sha256 = digest or (pin.sha256 if pin else None)
        place = hashlib.sha256(url.encode()).hexdigest()[:16]
        return Resolved(
            ref=f"{url}#sha256={sha256}" if sha256 else url,
            folder=f"models--web--{place}",
            revision=sha256 or _state(seen.etag, seen.size),
            files=(RemoteFile(path=name, urls=(url,), size=seen.size, sha256=sha256),),
            entry=name,
            build=build,
        )

    def local(self) -> Iterable[LocalModel]:
        """What was pulled from the web before."""
        found = scan_store(store_dir().resolve())
        return (model for model in found if model.ref.startswith(("https://", "http://")))


def _state(etag: str | None, size: int | None) -> str:
    """A name for what an address delivers now, as far as the server tells it."""
    return "unpinned-" + hashlib.sha256(f"{etag} {size}".encode()).hexdigest()[:16]


def _parts(ref: str) -> tuple[str, str | None]:
    """The address without its fragment, and the sha256 in it."""
    try:
        parts = urlsplit(ref)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    match = _FRAGMENT.fullmatch(parts.fragment)
    if (
        parts.scheme not in Web.schemes
        or not host
        or "@" in parts.netloc
        or not parts.path.lower().endswith(".gguf")
        or (parts.fragment and not match)
    ):
        raise UsageError(
            f"{ref[:200]!a} is not the address of a model.",
            why="The form is https://host/path/model.gguf#sha256=<64 hex digits>, without user and password.",
            hint="The publisher's page names the sha256; `sha256sum model.gguf` tells that of a file that you trust.",
        )
    url = urlunsplit(parts._replace(fragment=""))
    return url, check_digest(match["digest"].lower()) if match else None
