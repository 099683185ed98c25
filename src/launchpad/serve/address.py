"""The address of the gateway: one port that stays, on loopback unless the user says otherwise."""

from __future__ import annotations

import errno
import socket
import sys

from launchpad.errors import BusyError, RefusedError, UsageError
from launchpad.hosts import is_loopback

PORT = 10987  # a countdown; no other local server's default
LOOPBACK = "127.0.0.1"


def check_public(host: str, *, own_key: bool) -> None:
    """Refuse an address that others can reach unless the user gave both, the address and a key, on purpose."""
    if is_loopback(host) or own_key:
        return
    raise RefusedError(
        f"Whoever can reach {host} could use this server.",
        why="Beyond this machine it is served only with a key that you choose on purpose.",
        hint="openssl rand -hex 24 > serve.key; chmod 600 serve.key; "
        f"launchpad serve --host {host} --key-file serve.key",
    )


def bind(host: str, port: int) -> socket.socket:
    """A socket on the address. Raises `BusyError` that names who has it, or `UsageError` for no address of this machine."""
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"{host!r} is no address.", why=str(error)) from error
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE or getattr(error, "winerror", None) == 10013:
            raise _busy(host, port) from error
        raise UsageError(f"{host}:{port} cannot be listened on.", why=error.strerror) from error
    return bound


def _busy(host: str, port: int) -> BusyError:
    return BusyError(
        f"Port {port} of {host} is in use.",
        why=holder(port) or "The system does not say by whom.",
        hint=f"Stop it, or choose another port with --port {port + 1}",
        retryable=True,
    )


def holder(port: int) -> str | None:
    """Which process listens on the port, as far as this user may know."""
    import psutil

    try:
        found = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return None
    for connection in found:
        if connection.laddr and connection.laddr.port == port:
            if connection.pid is None:
                return "It is held by a process of another user."
            try:
                name = psutil.Process(connection.pid).name()
            except psutil.Error:
                name = "unknown"
            return f"It is held by {name} (process {connection.pid})."
    return None


def shown(host: str) -> str:
    """The host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def reachable(host: str) -> tuple[str, ...]:
    """The names under which the gateway can be asked for when it is bound to `host`, beside those of loopback."""
    if is_loopback(host):
        return ()
    if host not in ("0.0.0.0", "::"):  # noqa: S104 -- compared with, not bound to
        return (shown(host),)
    return (*(shown(address) for address in _addresses()), socket.gethostname())


def _addresses() -> list[str]:
    import psutil

    found = []
    for addresses in psutil.net_if_addrs().values():
        for entry in addresses:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = entry.address.partition("%")[0]
                if not is_loopback(address) and not address.startswith("fe80:"):
                    found.append(address)
    return found
