"""Who may talk to the gateway: one door for every route, which is shut unless Host, Origin and key are right.

Loopback is no border: any web page can send requests to it, and a page whose name suddenly resolves to 127.0.0.1 can
read the answers (DNS rebinding). So the Host must be an address of this machine, whatever the gateway is bound to; a
request that a web page makes must come from an allowed origin; and all but `/health` needs the key.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from launchpad.serve.apis import dialect_of
from launchpad.serve.problem import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from launchpad.serve.ui import Ui

OPEN = "/health"
_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CORS = (
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, x-api-key, anthropic-version, anthropic-beta",
    ),
    (b"access-control-max-age", b"600"),
)


class Access:
    """ASGI middleware around everything."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        key: str,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        ui: Ui | None = None,
    ) -> None:
        self._app = app
        self._key = key.encode()
        self._hosts = _LOCAL | {host.lower() for host in hosts}
        self._origins = frozenset(origins)
        self._ui = ui

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            # The gateway is stopping. Who waited has been told; uvicorn would log a traceback.
            with suppress(asyncio.CancelledError):
                await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        try:
            host = self._check_host(_all(headers, b"host"))
            origin = self._check_origin(_all(headers, b"origin"), host)
            cors = [] if origin is None else [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
            if scope["method"] == "OPTIONS" and origin is not None:
                await answer(send, 204, b"", [*cors, *_CORS])
                return
            if scope["path"] != OPEN and not (self._ui and self._ui.admits(scope)):
                self._check_key(headers)
        except Problem as problem:
            await refuse(send, problem, scope["path"])
            return
        await self._app(scope, receive, _with_headers(send, cors) if cors else send)

    def _check_host(self, found: list[bytes]) -> str:
        name = found[0].decode("latin-1").lower() if len(found) == 1 else ""
        host, colon, port = name.rpartition(":") if not name.endswith("]") else (name, "", "")
        if not colon:
            host = name
        if host not in self._hosts or (colon and not (port.isascii() and port.isdigit())):
            raise Problem(
                403, "This Host is not served: use the address that `launchpad env` prints.", code="bad_host"
            )
        return name

    def _check_origin(self, found: list[bytes], host: str) -> bytes | None:
        """The origin, when it is an allowed one; None when no web page is asking, or the gateway's own."""
        if not found or (self._ui and found == [b"http://" + host.encode()]):
            return None
        if len(found) > 1 or found[0].decode("latin-1") not in self._origins:
            raise Problem(403, "Web pages of this origin may not ask here.", code="bad_origin")
        return found[0]

    def _check_key(self, headers: list[tuple[bytes, bytes]]) -> None:
        given = list(_all(headers, b"x-api-key"))
        given += [value[7:] for value in _all(headers, b"authorization") if value[:7].lower() == b"bearer "]
        # In constant time: how long it takes tells nothing about the key.
        if not any(hmac.compare_digest(value.strip(), self._key) for value in given):
            raise Problem(
                401,
                "The key is missing or wrong. Send it as `Authorization: Bearer …` or `x-api-key: …`; "
                "`launchpad env` prints it.",
                code="invalid_api_key",
            )


def _all(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *extra]}  # type: ignore[misc]
        await send(message)

    return sending  # type: ignore[return-value]


async def answer(
    send: Send,
    status: int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    kind: bytes = b"application/json",
) -> None:
    """Send a whole answer."""
    fixed = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, problem: Problem, path: str) -> None:
    """Send an error in the words of the API that the path belongs to."""
    headers: list[tuple[bytes, bytes]] = []
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.retry_after is not None:
        headers.append((b"retry-after", str(problem.retry_after).encode()))
    await answer(send, problem.status, problem.body(dialect_of(path)), headers)
