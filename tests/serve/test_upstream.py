"""Engines elsewhere: encrypted ones are asked encrypted, and nothing goes out in clear."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from launchpad.serve import upstream
from launchpad.serve.upstream import EngineGone, request

EVENTS = [b"data: %d\n\n" % number for number in range(200)]


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[bytes]]]:
    """An engine behind TLS that streams event by event: its port, and what it was told in the clear or not."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    told: list[bytes] = []

    def answer() -> None:
        taken, _ = listening.accept()
        taken.settimeout(150)
        with taken:
            told.append(taken.recv(3, socket.MSG_PEEK))
            try:
                with context.wrap_socket(taken, server_side=True) as encrypted:
                    told.append(encrypted.recv(65536))
                    encrypted.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                    for event in EVENTS:
                        encrypted.sendall(event)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1], told
        thread.join()
    upstream._tls.cache_clear()


async def asked(endpoint: str) -> bytes:
    """The whole body of the answer."""
    body = b""
    exchange = await request(endpoint, "secret-key", "/v1/chat/completions", b"{}")
    try:
        assert (await exchange.head()).kind == "text/event-stream"
        exchange.by_frames()
        while data := await exchange.read():
            body += data
    finally:
        exchange.close()
    return body


def test_an_encrypted_engine(
    secure: tuple[int, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    port, told = secure
    assert asyncio.run(asked(f"https://localhost:{port}/v1")) == b"".join(EVENTS)
    assert told[1].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")


def test_a_certificate_that_nobody_knows_is_told_nothing(secure: tuple[int, list[bytes]]) -> None:
    port, told = secure
    with pytest.raises(EngineGone):
        asyncio.run(asked(f"https://localhost:{port}/v1"))
    assert [each[:1] for each in told] == [b"\x16"]  # a TLS greeting, and no request


def test_a_scheme_that_is_not_http_is_told_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with pytest.raises(EngineGone):
            asyncio.run(asked(f"ftp://127.0.0.1:{listening.getsockname()[1]}/v1"))
        listening.settimeout(0)
        with pytest.raises(BlockingIOError):
            listening.accept()
