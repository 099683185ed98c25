"""Plays recorded HTTP traffic back over loopback: what a real server said, chunk by chunk.

    with Replay(recording("chat-stream")) as server:
        ...                                  # a client talks to server.endpoint
    server.requests[0].json                  # what it asked

A recording is one JSON file whose `exchanges` are requests with their responses: status, headers, `framing`, `chunks`
with their arrival times, and how the response ended. Each request is given the first unused exchange of its method and
path, one with the same JSON before others; when all are used, the last one again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec import Struct

Chunks = Callable[[list[bytes]], Iterable[bytes]]
_OWN_HEADERS = ("date", "content-length", "transfer-encoding", "connection")


class Asked(Struct, frozen=True):
    """A request that came. `json` is None for a body that is none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def read_recording(path: Path) -> dict[str, Any]:
    """One recording from its file."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def body_of(response: Mapping[str, Any]) -> bytes:
    """The whole body of a recorded response."""
    return b"".join(_bytes(chunk) for chunk in response["chunks"])


def in_bytes(chunks: list[bytes]) -> Iterable[bytes]:
    """The same bytes, one at a time: no client may rely on where a chunk ends."""
    return (bytes([byte]) for byte in b"".join(chunks))


def in_one(chunks: list[bytes]) -> Iterable[bytes]:
    """The same bytes at once."""
    return [b"".join(chunks)]


class Replay:
    """A server on loopback that plays exchanges back. Use it in a `with` block.

    `pace` is the part of the recorded waiting times that is waited (0: none). `split` cuts the bodies anew; it
    listens at `port` (0: any that is free).
    `requests` are those that came, `unknown` those of them that no exchange answers (they get 404).
    """

    def __init__(
        self,
        *recordings: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        pace: float = 0.0,
        split: Chunks = lambda chunks: chunks,
        port: int = 0,
    ) -> None:
        self.requests: list[Asked] = []
        self.unknown: list[Asked] = []
        self._exchanges = [exchange for recording in recordings for exchange in _exchanges(recording)]
        self._used: set[int] = set()
        self._pace, self._split = pace, split
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        replay = self

        class Handler(_Handler):
            played = replay

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.server_address[1]
        return port

    @property
    def endpoint(self) -> str:
        """The base of its addresses."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> list[Any]:
        """The JSON bodies of all requests to `path`, in order."""
        return [request.json for request in self.requests if request.path == path]

    def __enter__(self) -> Replay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_for(self, request: Asked) -> Mapping[str, Any] | None:
        """The exchange that answers."""
        with self._lock:
            self.requests.append(request)
            alike = [
                (index, exchange)
                for index, exchange in enumerate(self._exchanges)
                if (exchange["request"]["method"], exchange["request"]["path"])
                == (request.method, request.path)
            ]
            if not alike:
                self.unknown.append(request)
                return None
            unused = [pair for pair in alike if pair[0] not in self._used] or alike[-1:]
            same = [pair for pair in unused if pair[1]["request"].get("json") == request.json]
            index, exchange = (same or unused)[0]
            self._used.add(index)
            return exchange

    def play(self, response: Mapping[str, Any], handler: _Handler) -> None:
        """Write one recorded response."""
        chunked = response["framing"] == "chunked"
        body = body_of(response)
        handler.send_response_only(response["status"], response.get("reason"))
        for name, value in response["headers"]:
            if name.lower() not in _OWN_HEADERS:
                handler.send_header(name, value)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif response["framing"] == "length":
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        self._play_body(response, handler, chunked=chunked)

    def _play_body(self, response: Mapping[str, Any], handler: _Handler, *, chunked: bool) -> None:
        times = [chunk.get("t_ms", 0) for chunk in response["chunks"]]
        begin = time.monotonic()
        for index, piece in enumerate(self._split([_bytes(chunk) for chunk in response["chunks"]])):
            due = begin + self._pace * (times[index] if index < len(times) else 0) / 1000
            if self.stopping.wait(max(0.0, due - time.monotonic())):
                return
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        while response["end"] == "client_closed" and not self.stopping.wait(0.01):
            piece = _bytes(response["chunks"][-1])
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if response["end"] == "server_closed":
            handler.hang_up()
        elif chunked:
            handler.wfile.write(b"0\r\n\r\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    played: Replay

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):  # clients that leave are part of the traffic
            super().handle_one_request()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(iter(self._chunk, b""))
        request = Asked(self.command, self.path, dict(self.headers), body)
        exchange = self.played.next_for(request)
        if exchange is None:
            self.send_error(404)
        elif exchange["response"] is None:
            self.played.stopping.wait()
        else:
            self.played.play(exchange["response"], self)

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def hang_up(self) -> None:
        """Break the connection, as a server that dies does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    do_GET = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815  (names that http.server calls)


def _exchanges(recording: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return recording["exchanges"] if isinstance(recording, Mapping) else recording


def _bytes(chunk: Mapping[str, Any]) -> bytes:
    if chunk["encoding"] == "base64":
        return base64.b64decode(chunk["base64"])
    return str(chunk.get("text", "")).encode()
