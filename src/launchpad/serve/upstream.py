"""One request to an engine, read as it comes by asyncio."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from launchpad.engines.exchange import (
    CONNECT_SECONDS,
    LARGE,
    Incoming,
    NotHttp,
    Pace,
    destination,
    request_bytes,
)

if TYPE_CHECKING:
    import ssl

MAX_BUFFERED = 2**20  # bytes that may wait for a slow client before the engine has to
_LOW_WATER: int | None = getattr(socket, "SO_RCVLOWAT", None)  # none: each part is read as it comes


class EngineGone(Exception):
    """The engine closed the connection, or never took it, before its answer was whole."""


class Exchange(asyncio.Protocol):
    """The answer to one request. Read `head`, then `read` until it returns nothing; `close` in any case."""

    def __init__(self) -> None:
        self._incoming = Incoming()
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None
        self._wake: asyncio.Future[None] | None = None
        self._pace: Pace | None = None
        self._lost = False
        self._closed = False  # by the gateway
        self._loop = asyncio.get_running_loop()
        self.last = self._loop.time()  # when something last came

    # -- for the gateway ----------------------------------------------------------------------------------------

    async def head(self) -> Incoming:
        """The answer, once its status and headers are here; its body is to be `read`. Raises `EngineGone`."""
        while not self._incoming.begun:
            if self._lost:
                raise EngineGone
            await self._wait()
        return self._incoming

    async def read(self) -> bytes:
        """All bytes of the body that are here, at least one; none at its end. Raises `EngineGone` when it was cut."""
        while not self._incoming.waiting:
            if self._incoming.complete:
                return b""
            if self._lost:
                raise EngineGone
            await self._wait()
        if self._incoming.waiting > MAX_BUFFERED and self._transport is not None:
            self._transport.resume_reading()
        return self._incoming.take()

    def by_frames(self) -> None:
        """What comes from here on is a stream: faster than frames it is read by frames."""
        self._pace = Pace()

    def close(self) -> None:
        """Close the connection, which makes an engine stop that is still answering."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def send(self, request: bytes) -> None:
        """Send the request."""
        assert self._transport is not None
        self._transport.write(request)

    # -- for asyncio --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The engine took the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")  # one that is encrypted forgets it at its end

    def data_received(self, data: bytes) -> None:
        """Take apart what came and wake the reader."""
        assert self._transport is not None
        self.last = self._loop.time()
        try:
            self._incoming.feed(data)
        except NotHttp:
            self._lost = True
            self.close()
        if self._incoming.waiting > MAX_BUFFERED:
            self._transport.pause_reading()
        if self._pace is not None and (seconds := self._pace.rest(len(data))):
            self._rest(seconds)
        self._notify()

    def connection_lost(self, error: Exception | None) -> None:
        """A body without a length ends here; any other is cut."""
        if error is None and not self._closed:
            self._incoming.closed()
        self._lost = True
        self._notify()

    # -----------------------------------------------------------------------------------------------------------

    def _rest(self, seconds: float) -> None:
        """Be woken for less than a large part only after a while, or when the engine has closed the connection."""
        if _LOW_WATER is not None:
            self._wake_for(LARGE)
            self._loop.call_later(seconds, self._wake_for, 1)

    def _wake_for(self, size: int) -> None:
        with suppress(OSError):  # it was closed, or this kernel cannot: then each part is read as it comes
            self._socket.setsockopt(socket.SOL_SOCKET, _LOW_WATER, size)

    async def _wait(self) -> None:
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


async def request(
    endpoint: str,
    key: str,
    path: str,
    body: bytes | None,
    *,
    method: str = "POST",
    encoding: str = "identity",
) -> Exchange:
    """Send a request to the engine at `endpoint` (`http://127.0.0.1:PORT/v1`). `path` starts at its root.

    Raises `EngineGone` when it does not take the connection, or cannot be spoken to there.
    """
    try:
        where = urlsplit(endpoint)
        target = where.path.removesuffix("/v1") + path
        data = request_bytes(where, target, key, body, method=method, encoding=encoding)
        host, port, secure = destination(where)
        async with asyncio.timeout(CONNECT_SECONDS):
            _, exchange = await asyncio.get_running_loop().create_connection(
                Exchange, host, port, ssl=_tls() if secure else None
            )
    except (OSError, ValueError) as error:
        raise EngineGone from error
    exchange.send(data)
    return exchange


@cache
def _tls() -> ssl.SSLContext:
    """Loading certificates takes 30 ms, once."""
    import ssl

    return ssl.create_default_context()
