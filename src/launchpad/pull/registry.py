"""Manifests of an OCI registry (Ollama's library is one), by the rules of a pull, with a token where one is asked for.

Only tokens that a registry gives to anybody are used: no password or key of the user's is sent anywhere, so that a
registry that names a foreign token server (CVE-2025-51471) learns nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from launchpad.errors import LaunchpadError, PullError
from launchpad.pull.http import LARGEST_METADATA, Unfit, check_status, client, fetch_json, get
from launchpad.pull.names import Digest, quote
from launchpad.pull.options import PullOptions
from launchpad.pull.urls import check_step, public

if TYPE_CHECKING:
    import httpx2

_SECONDS = 30.0
_OPTIONS = PullOptions(connect_seconds=10.0, stall_seconds=15.0)
_PARAMETER = re.compile(r'([a-z]+)="([^"\x00-\x1f]{1,500})"', re.ASCII)


class Layer(Struct, rename={"media_type": "mediaType"}):
    """One file of a manifest. The digest is not to be used before `Digest.parse` has read it."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None


class _Document(Struct):
    layers: tuple[Layer, ...] = ()


class Manifest(Struct, frozen=True, kw_only=True):
    """The layers of an image, the sha256 of the manifest itself, and the token that its blobs are to be had with."""

    layers: tuple[Layer, ...]
    sha256: str
    token: str | None

    def __repr__(self) -> str:
        return f"Manifest({self.sha256!r})"  # the token must not show up in a traceback


def fetch_manifest(url: str, repository: str, *, accept: str, sha256: str | None = None) -> Manifest:
    """The manifest at `url`; with `sha256`, exactly that one. Raises `LaunchpadError`."""
    token, body = None, b""
    with client(_OPTIONS) as http:
        for attempt in range(2):
            try:
                answer = _ask(http, url, accept, token)
            except Unfit as unfit:
                raise unfit.error from unfit.__cause__
            if isinstance(answer, bytes):
                body = answer
                break
            if attempt:
                raise _closed(url)
            token = _anybodys_token(url, answer, repository)
    found = hashlib.sha256(body).hexdigest()
    if sha256 is not None and found != Digest.parse(sha256).hex():
        raise PullError(
            f"The manifest at {public(url)} is not the one that was asked for.",
            why=f"Its sha256 is {found}.",
            hint="The registry or a proxy serves something else under this digest: do not use it.",
        )
    return Manifest(layers=_layers(url, body), sha256=found, token=token)


def _ask(http: httpx2.Client, url: str, accept: str, token: str | None) -> bytes | dict[str, str]:
    """The manifest's bytes, or what the registry says about the token that it wants."""
    host = urlsplit(url).netloc
    with get(http, url, {"Accept": accept}, token=token, token_host=host) as response:
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code == 401 and challenge.lower().startswith("bearer "):
            return dict(_PARAMETER.findall(challenge[:2000]))
        check_status(response, _OPTIONS.longest_wait)
        return b"".join(_bounded(response))


def _bounded(response: httpx2.Response) -> Iterator[bytes]:
    left, deadline = LARGEST_METADATA, monotonic() + _SECONDS
    for chunk in response.iter_raw():
        left -= len(chunk)
        if left < 0 or monotonic() > deadline:
            raise PullError(
                f"{public(str(response.url))} sends too much or too slowly.",
                why=f"A manifest has at most {LARGEST_METADATA:,} bytes and comes within {_SECONDS:.0f} s.",
                hint="Check the name of the model, and the registry that you use.",
            )
        yield chunk


def _anybodys_token(url: str, challenge: dict[str, str], repository: str) -> str:
    """Ask the token server that the registry names, without saying who asks."""
    realm = challenge.get("realm", "")
    check_step(url, realm)
    query = {"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull"}
    try:
        answer = fetch_json(f"{realm}?{urlencode({k: v for k, v in query.items() if v})}")
    except LaunchpadError as error:
        raise _closed(url) from error
    found = answer.get("token") or answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not found.isascii() or not found.isprintable() or len(found) > 16_384:
        raise _closed(url)
    return found


def _layers(url: str, body: bytes) -> tuple[Layer, ...]:
    try:
        return msgspec.json.decode(body, type=_Document).layers
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PullError(
            f"The manifest at {public(url)} cannot be read.",
            why=f"{quote(str(error), 160)}.",
            hint="Check the registry's address: the answer is not that of a registry.",
        ) from error


def _closed(url: str) -> PullError:
    return PullError(
        f"{public(url)} is not open to everybody.",
        why="The registry asks for a login, and launchpad sends none to a registry.",
        hint="Check the name; pull a private model with the registry's own tool, launchpad then finds it on the disk.",
    )
