"""D7, D8: certificates, proxies, names and connections, on loopback: a real TLS server, a real proxy."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
import trustme

from launchpad.errors import PullError
from launchpad.events import ignore
from launchpad.plugins.spec import Resolved
from launchpad.pull import wire
from launchpad.pull.http import fetch_json
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.testing.hub import SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
Resolve = Callable[..., Resolved]


@pytest.fixture(params=[wire._LONG, 0], ids=["library", "direct"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which an answer is read: through the HTTP library, and beside it, over TLS and proxies too."""
    monkeypatch.setattr(wire, "_LONG", request.param)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """An authority that no system knows; its certificate lies in ca.pem."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def secure(hub: SimulatedHub, authority: trustme.CA) -> str:
    """The hub's content over https; its address."""
    return _over_tls(hub, authority.issue_cert("localhost"))


def _over_tls(hub: SimulatedHub, certificate: trustme.LeafCert) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    hub._server.socket = context.wrap_socket(hub._server.socket, server_side=True)
    return hub.endpoint.replace("http://127.0.0.1", "https://localhost")


def read(resolved: Resolved, options: PullOptions) -> bytes:
    return Path(pull(resolved, ignore, options=options).path).read_bytes()


# -- certificates -----------------------------------------------------------------------------------------------------


def test_an_unknown_authority_is_named_with_what_to_do(
    secure: str, resolved: Resolve, fast: PullOptions
) -> None:
    with pytest.raises(PullError, match="SSL_CERT_FILE"):
        pull(resolved(urls=(f"{secure}/{FILE}",)), ignore, options=fast)


@pytest.mark.usefixtures("reading")
def test_ssl_cert_file_adds_an_authority(
    hub: SimulatedHub, secure: str, resolved: Resolve, fast: PullOptions, content: bytes,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    hub.add(f"/{FILE}", content)
    hub.add("/info", b'{"a": 1}', kind="application/json")
    assert read(resolved(urls=(f"{secure}/{FILE}",)), fast) == content
    assert fetch_json(f"{secure}/info") == {"a": 1}


def test_an_expired_certificate_is_named(
    hub: SimulatedHub, authority: trustme.CA, resolved: Resolve, fast: PullOptions,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    yesterday = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(days=1)
    address = _over_tls(hub, authority.issue_cert("localhost", not_after=yesterday))
    with pytest.raises(PullError, match="expired"):
        pull(resolved(urls=(f"{address}/{FILE}",)), ignore, options=fast)
    assert not hub.gets(FILE)


# -- names and connections --------------------------------------------------------------------------------------------


def test_a_name_that_does_not_resolve_is_named(
    resolved: Resolve, fast: PullOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver's answer is simulated: no question leaves this machine."""

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(PullError, match=r"resolve|not known") as caught:
        pull(resolved(urls=(f"https://models.invalid/{FILE}",)), ignore, options=fast)
    assert caught.value.exit_code == 4 and "models.invalid" in str(caught.value)


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a listener whose queue is full: who connects hears nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


def test_a_connect_that_hangs_ends_and_the_next_address_is_asked(
    deaf: int, hub: SimulatedHub, resolved: Resolve, second_mirror: str, content: bytes
) -> None:
    patience = PullOptions(connect_seconds=0.2, backoff_seconds=0.01, longest_wait=0.02, retries=1)
    urls = (f"http://127.0.0.1:{deaf}/{FILE}", second_mirror)
    assert read(resolved(urls=urls), patience) == content
    with pytest.raises(PullError, match="in time"):
        pull(resolved(urls=urls[:1], sha256="0" * 64), ignore, options=patience)


# -- proxies ----------------------------------------------------------------------------------------------------------


class _Tunnel(StreamRequestHandler):
    """CONNECT, and nothing else."""

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append((method.decode(), target.decode()))  # type: ignore[attr-defined]
        host, _, port = target.decode().rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            Thread(target=_copy, args=(far, self.connection), daemon=True).start()
            _copy(self.connection, far)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def tunnel() -> Iterator[ThreadingTCPServer]:
    server = ThreadingTCPServer(("127.0.0.1", 0), _Tunnel)
    server.daemon_threads = True
    server.asked = []  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("reading")
def test_through_a_proxy_with_connect(
    hub: SimulatedHub, secure: str, tunnel: ThreadingTCPServer, resolved: Resolve, fast: PullOptions,
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{tunnel.server_address[1]}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    hub.add(f"/{FILE}", content)
    many = PullOptions(piece_size=32 << 10, connections=3)
    assert read(resolved(urls=(f"{secure}/{FILE}",), token="hf_CANARY", token_host=None), many) == content
    asked = tunnel.asked  # type: ignore[attr-defined]
    assert set(asked) == {("CONNECT", secure.removeprefix("https://"))}


@pytest.mark.usefixtures("reading")
def test_through_a_plain_proxy(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub takes absolute addresses as a proxy does: the name is resolved there, not here."""
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    hub.add(f"/{FILE}", content)
    assert read(resolved(urls=(f"http://models.invalid/{FILE}",)), fast) == content


def test_no_proxy_is_honored(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert read(resolved(), fast) == content
