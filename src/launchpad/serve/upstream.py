"""One request to an engine on this machine, read as it comes: httptools parses, asyncio moves the bytes.

A general HTTP client costs more per token than the gateway may (see bench/serve); this one knows one request per
connection and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import cast
from urllib.parse import urlsplit

CONNECT_SECONDS = 10.0
MAX_BUFFERED = 2**20  # bytes that may wait for a slow client before the engine has to


class EngineGone(Exception):
    """The engine closed the connection, or never took it, before its answer was whole."""


class Exchange(asyncio.Protocol):
    """The answer to one request. Read `head`, then `read` until it returns nothing; `close` in any case."""

    def __init__(self) -> None:
        import httptools

        self._parser = httptools.HttpResponseParser(self)
        self._wrong = httptools.HttpParserError
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._wake: asyncio.Future[None] | None = None
        self._complete = False
        self._lost = False
        self._closed = False  # by the gateway
        self._headers: dict[bytes, bytes] = {}
        self._head = False
        self.last = 0.0  # the loop's time when something last came

    # -- for the gateway ----------------------------------------------------------------------------------------

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        """Status and headers (names in lower case). Raises `EngineGone`."""
        while not self._head:
            if self._lost:
                raise EngineGone
            await self._wait()
        return self._parser.get_status_code(), self._headers

    async def read(self) -> bytes:
        """All bytes of the body that are here, at least one; none at its end. Raises `EngineGone` when it was cut."""
        while not self._parts:
            if self._complete:
                return b""
            if self._lost:
                raise EngineGone
            await self._wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        if self._size > MAX_BUFFERED and self._transport is not None:
            self._transport.resume_reading()
        self._size = 0
        return data

    def close(self) -> None:
        """Close the connection, which makes an engine stop that is still answering."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    # -- for asyncio --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The engine took the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came and wake the reader."""
        self.last = asyncio.get_running_loop().time()
        try:
            self._parser.feed_data(data)
        except self._wrong:
            self._lost = True
            self.close()
        if self._size > MAX_BUFFERED and self._transport is not None:
            self._transport.pause_reading()
        self._notify()

    def connection_lost(self, error: Exception | None) -> None:
        """A body without a length ends here; any other is cut."""
        endless = self._head and not {b"content-length", b"transfer-encoding"} & self._headers.keys()
        if endless and error is None and not self._closed:
            self._complete = True
        self._lost = True
        self._notify()

    # -- for httptools ------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The body begins."""
        self._head = True

    def on_body(self, body: bytes) -> None:
        """A part of the body, decoded."""
        self._parts.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self._complete = True

    # -----------------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
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

    Raises `EngineGone` when it does not take the connection.
    """
    parts = urlsplit(endpoint)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            transport, exchange = await loop.create_connection(
                Exchange, parts.hostname or "", parts.port or 80
            )
    except (OSError, TimeoutError) as error:
        raise EngineGone from error
    target = parts.path.removesuffix("/v1") + path
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: close",
        f"Accept-Encoding: {encoding}",
    ]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    exchange.last = loop.time()
    transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
    return exchange


def header(headers: dict[bytes, bytes], name: bytes) -> str:
    """A header's value as text, empty when it is not there."""
    return headers.get(name, b"").decode("latin-1")
