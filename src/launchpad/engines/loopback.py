"""Talking to an engine on this machine: small requests, and who listens where."""

from __future__ import annotations

import json
import socket
from typing import Any

from launchpad.errors import LaunchError
from launchpad.hosts import is_loopback

LOOPBACK = "127.0.0.1"


def get_loopback(port: int, path: str, key: str | None = None, timeout: float = 5.0) -> tuple[int, Any]:
    """GET http://127.0.0.1:port/path, past any proxy: (status, decoded JSON or None).

    Raises `OSError` when nothing answers in time.
    """
    import http.client

    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        body = response.read(16 * 2**20)
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP answer from port {port}: {error!r}") from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(body)
    except ValueError:
        return response.status, None


def free_port() -> int:
    """A port that was free a moment ago, for engines that cannot choose one themselves.

    Another program may take it before the engine does: see `require_private`, and start again when it complains.
    """
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listeners(pid: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket on which the process or a descendant of it listens."""
    import psutil

    found: set[tuple[str, int]] = set()
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return found
    for process in family:
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue
        found |= {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def require_private(engine: str, pid: int, port: int) -> None:
    """Raise `LaunchError` unless it is this engine that listens on the port, and on loopback only."""
    found = listeners(pid)
    if public := sorted(f"{address}:{number}" for address, number in found if not is_loopback(address)):
        raise LaunchError(
            f"{engine} listens beyond this machine and was stopped.",
            why=f"It listens on {', '.join(public)}.",
            hint="Remove engine options that open it to the network.",
        )
    if (LOOPBACK, port) not in found:
        raise LaunchError(
            f"{engine} does not listen on port {port} itself.",
            why="Another program took the port first.",
            hint="Try again.",
            retryable=True,
        )
