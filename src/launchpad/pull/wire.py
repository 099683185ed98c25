"""How the HTTP library reads from the network: in large steps, for our own clients and nobody else's."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore2

if TYPE_CHECKING:
    import httpx2

READ = 256 << 10  # bytes asked of the system at once; the library's own step costs a third more work
_LONG = (
    16 << 20
)  # bytes; for less, a connection that can be used again is worth more than the work that is saved
_ITS_STEP = 64 << 10  # who asks for less, as in the handshake with a proxy, gets no more


def read_in_large_steps(client: httpx2.Client) -> None:
    """Give all connections of `client` our backend. The HTTP library has no option for it.

    Where a later version of it keeps its parts elsewhere, its own steps stay (tests/pull/test_wire.py would tell).
    """
    with suppress(AttributeError):
        transports = (client._transport, *client._mounts.values())
        for transport in transports:
            if transport is not None:  # None: no proxy for these hosts
                transport._pool._network_backend = _Backend()  # type: ignore[attr-defined]


def body(response: httpx2.Response, seconds: float) -> Iterator[bytes]:
    """The bytes of an answer as they come. Raises what the HTTP library does; `seconds` without a byte are a time-out.

    The library copies each byte four times. From a long answer of a stated length it takes the head and the first
    bytes, and the rest is read from its connection, which is closed afterwards.
    """
    length = response.headers.get("Content-Length", "")
    chunks = response.iter_raw()
    if "Transfer-Encoding" in response.headers or not length.isdecimal() or int(length) < _LONG:
        yield from chunks
        return
    left = int(length)
    for chunk in chunks:
        left -= len(chunk)
        yield chunk
        break  # it holds all that the library had taken in
    stream: httpcore2.NetworkStream = response.extensions["network_stream"]
    while left > 0:
        chunk = _read(stream, min(left, READ), seconds)
        left -= len(chunk)
        yield chunk


def _read(stream: httpcore2.NetworkStream, most: int, seconds: float) -> bytes:
    import httpx2

    try:
        chunk = stream.read(most, seconds)
    except httpcore2.TimeoutException as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except httpcore2.NetworkError as error:
        raise httpx2.ReadError(str(error)) from error
    if not chunk:
        raise httpx2.RemoteProtocolError("the connection was closed before the answer was complete")
    return chunk


class _Backend(httpcore2.SyncBackend):
    """Opens connections that read in steps of `READ`."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    """A connection; all but `read` is the library's."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(READ if max_bytes >= _ITS_STEP else max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
