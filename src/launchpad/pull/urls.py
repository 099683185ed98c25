"""Which addresses a pull may contact, and which of them may see a token."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from launchpad.errors import RefusedError
from launchpad.hosts import LOCAL_NAMES, Address, is_loopback, literal
from launchpad.pull.names import quote

_SCHEMES = ("https", "http")
_PORTS = {"https": 443, "http": 80}
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def public(url: str) -> str:
    """The URL without user, password, query and fragment: what may be shown and logged."""
    try:
        parts = urlsplit(url)
        host = _netloc(parts.hostname or "", parts.port)
    except ValueError:
        return quote(url.partition("?")[0])
    return f"{parts.scheme}://{host}{parts.path}"


def check_url(url: str) -> str:
    """Return `url` when it is http(s) with a host; raise `RefusedError` for anything else."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(url, f"it cannot be read: {error}") from error
    if parts.scheme not in _SCHEMES:
        raise _refused(url, "only https and http are followed")
    if not host or any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise _refused(url, "it has no host, or control characters")
    if (address := literal(host)) and _always_refused(address):
        raise _refused(url, "link-local addresses serve secrets of cloud machines, never models")
    return url


def check_step(current: str, target: str) -> str:
    """Return `target` when an answer from `current` may lead there; raise `RefusedError` otherwise.

    Refused are a step from https to http, to another scheme, and from a public host into this machine or its own
    network. Names are resolved for that; one that does not resolve here is left to the proxy.
    """
    check_url(target)
    here, there = urlsplit(current), urlsplit(target)
    if here.scheme == "https" and there.scheme != "https":
        raise _refused(target, "it leads from https to http")
    if origin(current) == origin(target):
        return target
    if _is_local(there.hostname or "") and not _is_local(here.hostname or ""):
        raise _refused(target, "a public host leads into this machine or its network")
    return target


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a token is bound to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def may_see_token(url: str, token_host: str | None) -> bool:
    """Say whether a request to `url` may carry the token of `token_host` (`host` or `host:port`).

    Plain http carries no token, but to this machine.
    """
    if not token_host:
        return False
    scheme, host, port = origin(url)
    wanted = urlsplit(f"{scheme}://{token_host}")
    if (host, port) != (wanted.hostname, wanted.port or _PORTS.get(scheme)):
        return False
    return scheme == "https" or is_loopback(host)


def _always_refused(address: Address) -> bool:
    return address.is_link_local or address.is_multicast


def _private(address: Address) -> bool:
    return not address.is_global or _always_refused(address)


def _is_local(host: str) -> bool:
    if address := literal(host):
        return _private(address)
    name = host.rstrip(".").lower()
    if name in LOCAL_NAMES or name.endswith(_LOCAL_SUFFIXES):
        return True
    return any(_private(address) for address in _resolve(name))


def _resolve(name: str) -> list[Address]:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    found = (literal(str(answer[4][0])) for answer in answers)
    return [address for address in found if address]


def _netloc(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def _refused(url: str, fault: str) -> RefusedError:
    return RefusedError(
        f"The address {quote(public(url), 160)} is refused.",
        why=f"{fault[0].upper()}{fault[1:]}.",
        hint="Check the name of the model, and the proxy or mirror that you use.",
    )
