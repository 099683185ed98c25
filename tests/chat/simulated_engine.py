"""A simulated engine: an OpenAI-compatible SSE server on loopback that answers, cuts, lies and splits on request."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from launchpad.engines.server import EngineReport, Server
from launchpad.fit.result import Settings

DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    """One event with any JSON."""
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def piece(text: str | None = None, *, finish: str | None = None, **delta: Any) -> bytes:
    """One chunk of an answer."""
    if text is not None:
        delta["content"] = text
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def usage(prompt: int, completion: int, **more: Any) -> bytes:
    """The chunk with the counts."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return event(choices=[], usage=counts, **more)


def answer(*texts: str, finish: str = "stop", prompt: int = 10) -> list[bytes]:
    """A whole honest answer."""
    return [*map(piece, texts), piece(finish=finish), usage(prompt, len(texts)), DONE]


@dataclass
class Reply:
    """What the engine does with one request."""

    chunks: Sequence[bytes] = ()
    status: int = 200
    content_type: str = "text/event-stream"
    endless: bytes | None = None  # sent again and again until the client goes away
    gate: threading.Event | None = None  # wait for it after the first chunk
    hold: bool = False  # send nothing more until the client goes away
    reset: bool = False  # break the connection instead of ending the stream


@dataclass
class SimulatedEngine:
    """Replies in order; the last one is repeated. `requests` are the bodies, `gone` counts clients that left."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    page: bytes = b"<page>"  # the answer to any GET
    port: int = 0

    def reply(self, *chunks: bytes, **more: Any) -> None:
        """Queue a reply."""
        self.replies.append(Reply(chunks, **more))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def server(self, context: int | None = 4096) -> Server:
        """The facts of this engine, as a session wants them."""
        return Server(
            id="simulated",
            backend="simulated",
            endpoint=self.endpoint,
            api_key="secret-key",
            pid=1,
            model="simulated-model",
            settings=Settings(context=context or 4096),
            report=EngineReport(engine="simulated engine", context=context),
        )

    def messages(self, index: int = -1) -> list[tuple[str, str]]:
        """Roles and contents of one request."""
        return [(message["role"], message["content"]) for message in self.requests[index]["messages"]]

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextlib.contextmanager
def simulated_engine() -> Iterator[SimulatedEngine]:
    """Run one until the block ends."""
    engine = SimulatedEngine()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(engine))
    server.daemon_threads = True
    engine.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(engine: SimulatedEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            engine.requests.append(json.loads(body))
            engine.headers.append(dict(self.headers))
            self._answer(engine.next_reply())

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(engine.page)

        def _answer(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.end_headers()
            try:
                for chunk in reply.chunks:
                    self._send(chunk)
                    if reply.gate is not None:
                        reply.gate.wait(150)
                while reply.endless is not None:
                    self._send(reply.endless)
                    time.sleep(0.002)
                if reply.hold:
                    self.connection.recv(1)
                    raise ConnectionResetError
            except OSError:
                engine.gone.set()
            if reply.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()

        def _send(self, chunk: bytes) -> None:
            self.wfile.write(chunk)
            self.wfile.flush()

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().handle_one_request()

        log_message: Callable[..., None] = lambda *_: None

    return Handler
