"""The network: which sources answer, what stands between, which ports are taken and by whom."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from launchpad.doctor.model import Check

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.plugins.guarded import GuardedSource
    from launchpad.plugins.host import Host

_VARIABLES = (
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
)


def sources(host: Host, config: Config, *, offline: bool) -> Iterator[Check]:
    """Every source that weights can come from, asked for a sign of life at once."""
    found = host.sources()
    if offline or config.run.offline:
        yield Check(name="sources", state="note", evidence="not asked: no connection is made (--offline)")
        return
    limit = config.pull.source_timeout
    with ThreadPoolExecutor(max_workers=max(1, len(found)), thread_name_prefix="doctor") as pool:
        answers = list(pool.map(lambda source: source.reachable(limit), found))
    for source, answer in zip(found, answers, strict=True):
        evidence = answer.why or ("answers" if answer.ok else "does not answer")
        yield Check(
            name=f"source {_schemes(source)}",
            state="ok" if answer.ok else "warn",
            evidence=evidence,
            fix=None if answer.ok else answer.hint,
        )


def _schemes(source: GuardedSource) -> str:
    return " ".join(f"{scheme}://" for scheme in sorted(source.schemes))


def settings() -> Iterator[Check]:
    """Variables that decide where traffic goes. Their values can hold passwords: only names are told."""
    names = [name for name in _VARIABLES if os.environ.get(name) or os.environ.get(name.lower())]
    evidence = (
        f"set: {', '.join(names)}"
        if names
        else "none of the variables for proxies, certificates or mirrors is set"
    )
    yield Check(name="proxies", state="note" if names else "ok", evidence=evidence)


def ports(config: Config) -> Iterator[Check]:
    """The port of the gateway: free, ours, or somebody else's."""
    port = config.serve.port
    with socket.socket() as probe:
        probe.settimeout(1.0)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    if not taken:
        yield Check(name=f"port {port}", state="ok", evidence="free for `launchpad serve`")
        return
    from launchpad.serve.state import running

    owner = _owner(port)
    ours = any(gateway.port == port for gateway in running())
    yield Check(
        name=f"port {port}",
        state="ok" if ours else "warn",
        evidence=f"in use by {owner or 'a process of another user'}",
        fix=None if ours else "Choose another for `launchpad serve`: --port, or the setting serve.port.",
    )


def _owner(port: int) -> str | None:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == port:
                process = psutil.Process(connection.pid)
                words = " ".join(process.cmdline()[:4])
                return f"{process.name()} (pid {process.pid}): {words}"
    except psutil.Error:
        return None
    return None
