"""One request of the chat to an engine, and its answer while it comes: a socket, and nothing of an environment's proxies.

A generator that waits for an engine cannot be closed by another thread; its socket can be shut down, and then the
engine stops computing. `on_connect` hears of the socket.
"""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import SplitResult, urlsplit

from launchpad.chat.answer import Answer
from launchpad.chat.wire import quote
from launchpad.engines.exchange import CONNECT_SECONDS, Incoming, NotHttp, Pace, destination, request_bytes
from launchpad.errors import AnswerError

MAX_ERROR_BODY = 2**20  # bytes of an error answer that are read
_CHUNK = 65536
_SECRET = re.compile(r"//[^/]*@")  # a name and a password in an address are shown to nobody

on_connect: ContextVar[Callable[[socket.socket], None] | None] = ContextVar("on_connect", default=None)


class Response:
    """The answer to one request; `incoming` has its status and headers from the start. Raises `NotHttp`, `OSError`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.incoming = Incoming()
        self._pace = Pace()
        # TLS gives one record, mostly one token, at a time, however many are here: such a stream is taken as it comes.
        self._rests = type(connection) is socket.socket
        while not self.incoming.begun:
            self._receive()
        if self.incoming.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise NotHttp("its answer is compressed, which nobody asked for")

    def parts(self) -> Generator[bytes]:
        """The body of a stream, as it comes: the first parts at once, those that come faster than frames by frames."""
        size = 0
        while True:
            if data := self.incoming.take():
                yield data
            if self.incoming.complete:
                return
            if self._rests:
                self._rest(self._pace.rest(size))
            size = self._receive()

    def text(self) -> str:
        """The body of an error: only so much of it is read as an error can need."""
        while not self.incoming.complete and self.incoming.waiting <= MAX_ERROR_BODY:
            self._receive()
        return self.incoming.take()[:MAX_ERROR_BODY].decode("utf-8", "replace")

    def _receive(self) -> int:
        data = self._connection.recv(_CHUNK)
        if data:
            self.incoming.feed(data)
        else:
            self.incoming.closed()
            if not self.incoming.complete:
                raise ConnectionError("it closed the connection")
        return len(data)

    def _rest(self, seconds: float) -> None:
        """Let more come; where the system can tell, not longer than the engine keeps the connection."""
        if not seconds:
            return
        if not hasattr(select, "POLLRDHUP"):
            time.sleep(seconds)
            return
        watch = select.poll()
        watch.register(self._connection, select.POLLRDHUP)
        watch.poll(seconds * 1000)


@contextmanager
def post(
    url: str, key: str, body: Mapping[str, Any], answer: Answer, engine: str, stall: float | None
) -> Generator[Response]:
    """Send a JSON body to an engine. `stall` is how long, in seconds, it may be silent; None = for ever.

    Raises `AnswerError` for every way in which HTTP can fail, also inside the block. Leaving it closes the connection,
    which makes the engine stop.
    """
    try:
        where = urlsplit(url)
        request = request_bytes(where, where.path, key, json.dumps(body).encode())
        connection = _connect(where)
    except (OSError, ValueError) as error:
        raise _unreachable(engine, url, error) from error
    with connection:
        if (listener := on_connect.get()) is not None:
            listener(connection)
        connection.settimeout(stall)
        try:
            _send(connection, request)
            yield Response(connection)
        except TimeoutError as error:
            raise answer.cut(f"nothing came for {stall:g} s" if stall else quote(str(error))) from error
        except (OSError, NotHttp) as error:
            raise answer.cut(quote(str(error))) from error


def _send(connection: socket.socket, request: bytes) -> None:
    """Send all, part by part, because `sendall` counts a time limit over all. Who takes only a part may yet say why."""
    try:
        for begin in range(0, len(request), _CHUNK):
            connection.sendall(request[begin : begin + _CHUNK])
    except TimeoutError:
        raise
    except OSError:
        pass


def _connect(where: SplitResult) -> socket.socket:
    host, port, secure = destination(where)
    connection = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:  # loading certificates takes 30 ms, which a plain address need not pay
            import ssl

            return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
    return connection


def _unreachable(engine: str, url: str, error: Exception) -> AnswerError:
    shown = _SECRET.sub("//", url)
    return AnswerError(
        f"{engine} does not answer.",
        why=f"No connection to {quote(shown)}: {quote(str(error))}",
        hint="It may have been stopped or have died; start it again.",
        retryable=True,
    )
