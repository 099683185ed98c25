"""Where the Ollama server is: `OLLAMA_HOST` in all its forms. PURE, but for this machine's own name."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from msgspec import Struct

PORT = 11434
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(Struct, frozen=True, kw_only=True):
    """A server's address. `cloud` is Ollama's own service, where models do not run on one's own machine."""

    scheme: str = "http"
    host: str = "127.0.0.1"
    port: int = PORT
    path: str = ""

    @property
    def url(self) -> str:
        """The base of the API, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, so that what probes find out speaks for it."""
        name = self.host.lower()
        if name in ("localhost", "localhost.localdomain", socket.gethostname().lower()):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    @property
    def cloud(self) -> bool:
        """Whether this is Ollama's service on the internet."""
        return self.host.lower() == "ollama.com" or self.host.lower().endswith(".ollama.com")


def address(environment: Mapping[str, str]) -> Address:
    """What `OLLAMA_HOST` says, read as Ollama reads it: host, host:port, :port, [v6], scheme://host[:port][/path].

    An address that means every interface of this machine is asked on loopback. A port that is none counts as not given.
    """
    text = environment.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    scheme = scheme.lower()
    hostport, _, path = rest.partition("/")
    host, port = _split(hostport)
    default = _DEFAULT_PORTS.get(scheme, PORT) if mark else PORT
    if not mark and host == "ollama.com":
        scheme, default = "https", 443
    number = int(port) if port.isdigit() and int(port) <= 65535 else default
    path = f"/{path.strip('/')}" if path.strip("/") else ""
    return Address(scheme=scheme, host=_reachable(host), port=number, path=path)


def _split(hostport: str) -> tuple[str, str]:
    """(host, port), either of them maybe ""."""
    if hostport.startswith("["):
        host, _, rest = hostport[1:].partition("]")
        return host, rest.removeprefix(":")
    if hostport.count(":") > 1:  # an IPv6 address without brackets has no port
        return hostport, ""
    host, _, port = hostport.partition(":")
    return host, port


def _reachable(host: str) -> str:
    """Servers listen on "every address"; clients need one."""
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if parsed.is_unspecified:
        return "127.0.0.1" if parsed.version == 4 else "::1"
    return str(parsed)
