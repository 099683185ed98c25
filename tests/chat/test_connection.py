"""The chat's connection: what comes faster than frames, encrypted ones, and addresses that are none."""

from __future__ import annotations

import gzip
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from chat.simulated_engine import DONE, SimulatedEngine, piece
from launchpad.chat import connection
from launchpad.chat.client import stream
from launchpad.chat.delta import Finish, Text
from launchpad.chat.options import ChatOptions, Message
from launchpad.engines import exchange
from launchpad.errors import AnswerError


class Quiet(ThreadingHTTPServer):
    """Clients that leave are what is tested here: no traceback for them."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback; its port."""
    server = Quiet(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


HELLO = [Message("user", "hello")]
ANSWER = [piece("Hel"), piece("lo"), piece(finish="stop"), DONE]


def shown(endpoint: str, key: str = "") -> str:
    deltas = list(stream(endpoint, key, HELLO, ChatOptions()))
    assert deltas[-1] == Finish(reason="stop")
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="elsewhere a frame is always waited for")
def test_a_rest_ends_when_the_engine_has_ended(
    engine: SimulatedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "FRAME", 3600.0)
    engine.reply(*[piece("a")] * 100, piece(finish="stop"), DONE)
    assert shown(engine.endpoint) == "a" * 100


def test_the_first_parts_come_at_once_and_then_what_came_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, engine = socket.socketpair()
    rests = []

    def rest(_: object, seconds: float) -> None:
        rests.append(seconds)
        if seconds:
            for word in (b"a", b"b", b"c"):
                engine.sendall(word)
        else:
            engine.sendall(b"+")

    monkeypatch.setattr(connection.Response, "_rest", rest)
    with ours, engine:
        engine.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n+")
        parts = connection.Response(ours).parts()
        first = [next(parts) for _ in range(exchange.AT_ONCE + 1)]
        assert (first, set(rests)) == ([b"+"] * (exchange.AT_ONCE + 1), {0.0})
        assert (next(parts), next(parts)) == (b"abc", b"abc")
        assert set(rests) == {0.0, exchange.FRAME}


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:99999/v1", "http://[::1/v1", "http://127.0.0.1:x/v1", "http:///v1", "http://a\nb/v1"],
)
def test_an_address_that_is_none(endpoint: str) -> None:
    with pytest.raises(AnswerError, match="does not answer"):
        shown(endpoint)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(AnswerError) as caught:
        shown("http://ada:secret@127.0.0.1:1/v1")
    assert "No connection to http://127.0.0.1:1/v1" in (caught.value.why or "")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["ftp", "httpss", "unix"])
def test_a_scheme_that_is_not_http_sends_no_prompt_in_clear(engine: SimulatedEngine, scheme: str) -> None:
    engine.reply(*ANSWER)
    with pytest.raises(AnswerError, match=f"{scheme} is not HTTP"):
        shown(engine.endpoint.replace("http", scheme))
    assert engine.requests == []


def test_a_key_that_no_header_can_hold(engine: SimulatedEngine) -> None:
    with pytest.raises(AnswerError, match="does not allow"):
        shown(engine.endpoint, "key\r\nX-Injected: yes")
    assert engine.requests == []


def test_a_program_that_speaks_another_language(engine: SimulatedEngine) -> None:
    class Other(BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
            self.rfile.read()

    with serving(Other) as port, pytest.raises(AnswerError, match="cut"):
        shown(f"http://127.0.0.1:{port}/v1")


@contextmanager
def raw(answer: bytes, *, read: int = 2**30, pause: float = 0.0) -> Iterator[str]:
    """An engine that sends these bytes, whatever it was asked, when it has read at least so much; its endpoint."""

    class Engine(BaseHTTPRequestHandler):
        def handle(self) -> None:
            size = int(next(line for line in self.rfile if line.startswith(b"Content-Length")).split()[1])
            left = min(read, size)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            while left > 0:
                left -= len(self.rfile.read1(65536))
                time.sleep(pause)
            self.wfile.write(answer)

    with serving(Engine) as port:
        yield f"http://127.0.0.1:{port}/v1"


def test_an_engine_that_refuses_before_it_has_read_all() -> None:
    refusal = b'{"error":{"message":"larger than 10 bytes"}}'
    head = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: %d\r\n\r\n" % len(refusal)
    with raw(head + refusal, read=0) as endpoint, pytest.raises(AnswerError) as caught:
        list(stream(endpoint, "", [Message("user", "x" * 2**24)], ChatOptions()))
    assert caught.value.why == "larger than 10 bytes"


def test_an_engine_that_reads_slowly_is_not_silent() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    small = connection.on_connect.set(
        lambda ours: ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    )
    try:
        with raw(head + b"".join(ANSWER), pause=0.03) as endpoint:
            asked = [Message("user", "x" * 2**23)]
            assert list(stream(endpoint, "", asked, ChatOptions(stall=2)))[-1] == Finish(reason="stop")
    finally:
        connection.on_connect.reset(small)


def test_an_engine_that_changes_to_another_protocol() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    with raw(upgrade) as endpoint, pytest.raises(AnswerError, match="cut"):
        shown(endpoint)


def test_an_answer_that_was_compressed_although_nobody_asked() -> None:
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\n\r\n"
    with raw(head + gzip.compress(b"no")) as endpoint, pytest.raises(AnswerError, match="compressed"):
        shown(endpoint)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[str]:
    """An engine behind TLS, whose authority lies in ca.pem; its address."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    class Engine(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            if size > 2**20:
                self.send_error(413, "too much")
                return
            self.rfile.read(size)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for part in ANSWER:
                self.wfile.write(part)
            self.connection.recv(1)  # until the client leaves: it must not need the end of the connection

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Engine, context) as port:
        yield f"https://localhost:{port}/v1"


def test_an_encrypted_engine(secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert shown(secure) == "Hello"


def test_an_encrypted_engine_that_refuses_before_it_has_read_all(
    secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(AnswerError, match="too much"):
        list(stream(secure, "", [Message("user", "x" * 2**24)], ChatOptions()))


def test_an_encrypted_stream_keeps_up_with_its_engine(
    secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS gives one record at a time: an engine that writes each token by itself would be read at 30 tokens/s."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(sys.modules[__name__], "ANSWER", [*[piece("a")] * 30, *ANSWER[2:]])
    monkeypatch.setattr(exchange, "FRAME", 3600.0)
    assert shown(secure) == "a" * 30


def test_a_certificate_that_nobody_knows(secure: str) -> None:
    with pytest.raises(AnswerError, match="does not answer") as caught:
        shown(secure)
    assert "certificate" in (caught.value.why or "").lower()
