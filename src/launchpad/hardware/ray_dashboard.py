"""Asking the dashboard of a live Ray cluster over HTTP: where it is, who may be asked, and bounded answers.

    ray                      $RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265
    ray://HEAD[:PORT]        the dashboard of that head node, 8265 unless a port is given

Whoever reaches a dashboard runs programs on every node, so only private addresses are asked; a public one needs
`LAUNCHPAD_PUBLIC_CLUSTER=yes`. The address that was judged is the one that is connected to; no proxy and no redirect
is followed. A cluster with tokens gets `$RAY_AUTH_TOKEN`.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from launchpad.errors import EngineMissing, LaunchError, RefusedError, UsageError
from launchpad.sanitize import clean

PORT = 8265
CONSENT = "LAUNCHPAD_PUBLIC_CLUSTER"
_LOCAL = f"http://127.0.0.1:{PORT}"
_LARGEST = 16 << 20
_PATIENCE = 10.0  # s for one answer
_NOT_THE_DASHBOARD = {6379: "the port that nodes join by", 10001: "the port of Ray's own clients"}


class Dashboard(Struct, frozen=True, kw_only=True):
    """A dashboard's address, the checked IP behind its name, and the token that it asks for ("" for none)."""

    host: str
    ip: str
    port: int
    token: str = ""

    @property
    def url(self) -> str:
        """Its address as people write it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return ipaddress.ip_address(self.ip).is_loopback

    @property
    def public(self) -> bool:
        """Whether its address is one of the internet's."""
        return _is_public(self.ip)

    def get(self, path: str) -> Any:
        """The JSON document there, of at most 16 MiB. Raises `LaunchpadError`."""
        status, document = self.ask("GET", path)
        if status != 200:
            raise self.wrong(f"{path} is answered with {status}")
        return document

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the JSON document that answers it, of at most 16 MiB; with an error's status what is no JSON is text.

        Raises `LaunchpadError` when it refuses this caller, is silent or answers as no dashboard would.
        """
        status, answer = self._asked(method, path, body)
        if status in (401, 403):
            raise RefusedError(
                f"The Ray cluster at {self.url} refuses this caller.",
                why="It asks for a token." if status == 401 else "The token is wrong, or may not read this.",
                hint="Put the cluster's token into RAY_AUTH_TOKEN.",
            )
        try:
            return status, msgspec.json.decode(answer)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            if status >= 400:
                return status, answer.decode("utf-8", "replace")
            raise self.wrong(f"{path} is no JSON") from error

    def wrong(self, why: str) -> LaunchError:
        """The error for an answer that Ray would not give."""
        return LaunchError(
            f"{self.url} does not answer as a Ray dashboard does.",
            why=f"{clean(why)[:200]}.",
            hint=f"Give the dashboard's port (usually {PORT}); ray[default] must be installed on the head.",
        )

    def _asked(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        headers = {"Host": f"{host}:{self.port}", "Accept-Encoding": "identity"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        connection = http.client.HTTPConnection(self.ip, self.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, self._bounded(answer)
        except OSError as error:
            raise self._silent(error) from error
        except (http.client.HTTPException, ValueError) as error:
            raise self.wrong(f"{path} is not answered with HTTP") from error
        finally:
            connection.close()

    def _bounded(self, answer: http.client.HTTPResponse) -> bytes:
        """The whole body, unless it is too large or drips for longer than an answer may take."""
        deadline, parts, size = monotonic() + _PATIENCE, [], 0
        while part := answer.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > _LARGEST:
                raise self.wrong("an answer has more than 16 MiB")
            if monotonic() > deadline:
                raise TimeoutError("its answer does not come to an end")
        return b"".join(parts)

    def _silent(self, error: OSError) -> EngineMissing:
        return EngineMissing(
            f"No Ray cluster answers at {self.url}.",
            why=error.strerror or str(error) or type(error).__name__,
            hint="On the head: ray start --head --dashboard-host=PRIVATE_ADDRESS; here: --on ray://HEAD.",
            retryable=True,
        )


def is_ray(text: str) -> bool:
    """Whether `--on` names a live Ray cluster."""
    return text.lower() == "ray" or text.lower().startswith("ray://")


def ray_name(url: str) -> str:
    """How `--on` names the dashboard at this address."""
    return f"ray://{url.partition('://')[2]}"


def dashboard(text: str) -> Dashboard:
    """The dashboard that `--on ray` or `--on ray://HEAD` means. Raises `LaunchpadError`; nobody has been asked yet."""
    asked = os.environ.get("RAY_API_SERVER_ADDRESS") or _LOCAL if text.lower() == "ray" else text
    try:
        parts = urlsplit(asked)
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        host, port = None, PORT
    # What is no plain address is refused, so that a token or a path in it is never thought to count.
    if not host or not asked.isprintable() or parts.scheme not in ("ray", "http") or "@" in parts.netloc:
        raise UsageError(
            f"'{clean(asked)[:100]}' names no Ray cluster.", hint="Write --on ray, or --on ray://HEAD[:8265]."
        )
    if known := _NOT_THE_DASHBOARD.get(port):
        raise UsageError(
            f"Port {port} is not Ray's dashboard.", why=f"It is {known}.", hint=f"Write ray://{host}:{PORT}."
        )
    return Dashboard(host=host, ip=_judged(host, port), port=port, token=os.environ.get("RAY_AUTH_TOKEN", ""))


def _judged(host: str, port: int) -> str:
    """The IP to connect to. Raises `RefusedError` for one that is public without consent, or serves cloud secrets."""
    try:
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The name {host} is not known here.", hint="Give the head's address.") from error
    ip = found[0].partition("%")[0]
    if ipaddress.ip_address(ip).is_link_local:
        raise RefusedError(
            f"{host} is not asked.", why="Link-local addresses serve secrets of cloud machines."
        )
    if _is_public(ip) and os.environ.get(CONSENT, "").lower() not in ("1", "yes", "true"):
        raise RefusedError(
            f"{host} is a public address ({ip}).",
            why="Whoever reaches a Ray dashboard runs programs on every node; it belongs into a private network.",
            hint=f"Use a VPN or an SSH tunnel (ssh -L 8265:127.0.0.1:8265 HEAD), or set {CONSENT}=yes.",
        )
    return ip


def _is_public(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    return (getattr(address, "ipv4_mapped", None) or address).is_global
