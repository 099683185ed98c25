"""Row S6 of the fault model: Host, Origin and key on every route; only /health is open."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from chat.simulated_engine import SimulatedEngine, answer, simulated_engine
from launchpad.serve.app import routes
from serve.conftest import ASK, KEY, OneEngine, Running, Start, gateway


@pytest.fixture(scope="module")
def serving() -> Iterator[Running]:
    """One gateway for all tests here: none of them gets to an engine."""
    with simulated_engine() as engine, gateway(OneEngine(engine)) as running:
        yield running
        assert engine.requests == []


def every_route(serving: Running) -> list[tuple[str, str]]:
    """(method, path) of the whole route table, and addresses that are not in it."""
    table = [
        (method, route.path.replace("{name:path}", "m"))
        for route in routes(serving.gateway).routes
        for method in sorted(route.methods - {"HEAD"})
    ]
    assert len(table) >= 10
    strangers = [
        "/",
        "/v1",
        "/docs",
        "/openapi.json",
        "/props",
        "/slots",
        "/v1/models/../health",
        "/HEALTH",
        "//health",
    ]
    return [*table, *(("GET", path) for path in strangers), ("POST", "/completion"), ("POST", "/health2")]


BAD_HOSTS = [
    "evil.example", "localhost.evil.com", "127.0.0.1.nip.io", "127.0.0.1.", "localhost@evil.com", "127.0.0.1:80:80",
    "[::1].evil.com", "[::1]:port", "0.0.0.0", "169.254.169.254", "::1", "127.0.0.1:", "2130706433", " ",
]  # fmt: skip


def test_without_the_key_nothing_but_health_is_open(serving: Running) -> None:
    for method, path in every_route(serving):
        got = serving.client(path, {} if method == "POST" else None, method=method, key=None)
        if path == "/health":
            assert (got.status, got.document) == (200, {"status": "ok"})
        else:
            assert got.status == 401, path
            assert got.error["type"] == "authentication_error"
            assert got.headers["www-authenticate"] == "Bearer"
            assert "access-control-allow-origin" not in got.headers


@pytest.mark.parametrize("key", ["wrong", KEY + "x", KEY[:-1], KEY.upper(), "\xfc" * 20, " "])
def test_a_wrong_key_opens_nothing(serving: Running, key: str) -> None:
    for method, path in every_route(serving):
        if path != "/health":
            assert serving.client(path, method=method, key=key).status == 401, path
            got = serving.client(path, method=method, key=None, headers=[("x-api-key", key)])
            assert got.status == 401, path


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_foreign_host_is_refused_on_every_route(serving: Running, host: str) -> None:
    for method, path in every_route(serving):
        assert serving.client(path, method=method, host=host).status == 403, path


@pytest.mark.parametrize("hosts", [(), ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "evil.example")])
def test_no_host_or_two_are_refused_on_every_route(serving: Running, hosts: tuple[str, ...]) -> None:
    for method, path in every_route(serving):
        headers = [("Host", host) for host in hosts]
        assert serving.client(path, method=method, host=None, headers=headers).status in (400, 403), path


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]", "[::1]:10987", "127.0.0.1:9"]
)
def test_hosts_of_this_machine_are_served_on_any_port(serving: Running, host: str) -> None:
    assert serving.client("/v1/models", host=host).status == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:3000", "http://localhost", "", "file://"]
)
def test_a_web_page_is_refused_on_every_route(serving: Running, origin: str) -> None:
    for method, path in every_route(serving):
        for way in {method, "OPTIONS"}:
            got = serving.client(path, method=way, headers=[("Origin", origin)])
            assert got.status == 403, (way, path)
            assert "access-control-allow-origin" not in got.headers


def test_a_configured_origin_may_ask_and_gets_its_own_name(engine: SimulatedEngine, start: Start) -> None:
    engine.reply(*answer("hi"))
    page = "http://localhost:3000"
    client = start(OneEngine(engine), origins=(page,)).client
    preflight = client("/v1/chat/completions", method="OPTIONS", key=None, headers=[("Origin", page)])
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, page)
    got = client("/v1/chat/completions", {**ASK, "stream": True}, headers=[("Origin", page)])
    assert (got.status, got.headers["access-control-allow-origin"]) == (200, page)
    assert client("/v1/models", key=None, headers=[("Origin", page)]).status == 401
    assert client("/v1/models", headers=[("Origin", page + ".evil.example")]).status == 403
    assert client("/v1/models", headers=[("Origin", page), ("Origin", "https://evil")]).status == 403


def test_the_key_is_taken_from_both_headers(serving: Running) -> None:
    for headers in (
        [("x-api-key", KEY)],
        [("Authorization", f"bearer {KEY}")],
        [("authorization", f"BEARER  {KEY}")],
    ):
        assert serving.client("/v1/models", key=None, headers=headers).status == 200
    assert serving.client("/v1/models?key=" + KEY, key=None).status == 401
    assert serving.client("/v1/models", key=None, headers=[("Authorization", f"Basic {KEY}")]).status == 401


def test_errors_speak_the_clients_dialect(serving: Running) -> None:
    assert serving.client("/v1/messages", {}, key=None).document["type"] == "error"
    assert serving.client("/v1/nothing").error["code"] == "not_found"
    assert serving.client("/v1/models", method="DELETE").status == 405


def test_a_websocket_is_refused(serving: Running) -> None:
    with socket.create_connection(("127.0.0.1", serving.client.port)) as raw:
        raw.sendall(
            b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b" 401 " in raw.recv(100)


def test_a_head_without_an_end_is_not_kept(serving: Running) -> None:
    for part in (b"x" * 10_000, b"x: y\r\n" * 2000):
        with socket.create_connection(("127.0.0.1", serving.client.port)) as raw:
            raw.sendall(b"GET /v1/models HTTP/1.1\r\nx: ")
            with pytest.raises(OSError):
                for _ in range(2000):
                    raw.sendall(part)


def test_a_head_that_does_not_come_is_not_waited_for(
    serving: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launchpad.serve.protocol.HEAD_SECONDS", 0.1)
    for begun in (b"", b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"):
        with socket.create_connection(("127.0.0.1", serving.client.port)) as raw:
            raw.sendall(begun)
            with contextlib.suppress(ConnectionResetError):
                assert raw.recv(100) == b""
