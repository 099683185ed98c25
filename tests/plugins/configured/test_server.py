"""A server that runs already, as a backend: asked, chatted with, and left as it was."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backend_starts import start
from launchpad.catalog.model import Build
from launchpad.config import load_config
from launchpad.config.sections import BackendConfig
from launchpad.decide import decide
from launchpad.engines.process import EngineProcess
from launchpad.errors import LaunchError, SourceUnreachable, UnknownModel
from launchpad.events import ignore
from launchpad.hardware.machine import Machine
from launchpad.plugins import ServerBackend
from launchpad.plugins.host import Host
from launchpad.testing import BackendContract
from launchpad.testing.processes import KEY, fake_command
from launchpad.wish import Wish

MACHINE = Machine(name="here")


@pytest.fixture
def port() -> Iterator[int]:
    """A simulated engine that somebody else started, with a key."""
    engine = EngineProcess.start(fake_command())
    try:
        yield engine.await_ready(engine.ready_message)["port"]
    finally:
        engine.stop()


@pytest.fixture
def backend(port: int, monkeypatch: pytest.MonkeyPatch) -> ServerBackend:
    monkeypatch.setenv("THE_KEY", KEY)
    return ServerBackend("theirs", BackendConfig(url=f"http://127.0.0.1:{port}/v1", key_env="THE_KEY"))


class TestBackend(BackendContract):
    """The rules without an engine; those with one speak of what launchpad starts."""

    def backend(self) -> ServerBackend:
        return ServerBackend("theirs", BackendConfig(url="http://127.0.0.1:9/v1"))


def test_it_is_used_and_runs_on(backend: ServerBackend) -> None:
    assert backend.status(MACHINE).state == "ready"
    running = backend.launch(start(backend, "theirs://simulated", None), ignore)
    assert (running.server.pid, running.server.model, running.server.api_key) == (0, "simulated", KEY)
    assert running.alive()
    running.stop()
    assert not running.alive()
    assert backend.status(MACHINE).state == "ready"  # it was not ours to stop


def test_what_it_does_not_list_is_refused(backend: ServerBackend) -> None:
    with pytest.raises(UnknownModel, match="no model 'other'") as caught:
        backend.launch(start(backend, "theirs://other", None), ignore)
    assert "simulated" in (caught.value.why or "")


def test_a_wrong_key_is_said(backend: ServerBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "wrong")
    status = backend.status(MACHINE)
    assert status.state == "unusable" and "401" in (status.why or "")
    assert "key_env" in (status.hint or "")


def test_a_model_of_a_server_that_is_away_is_not_said_to_be_unknown() -> None:
    source = ServerBackend("theirs", BackendConfig(url="http://127.0.0.1:9/v1")).source()
    with pytest.raises(SourceUnreachable, match="cannot be asked") as caught:
        source.resolve(Build(ref="theirs://x", format="served", quantization="unknown"))
    assert "127.0.0.1:9" in str(caught.value.why) and caught.value.hint


def test_nobody_there() -> None:
    backend = ServerBackend("theirs", BackendConfig(url="http://127.0.0.1:9/v1"))
    assert backend.status(MACHINE).state == "unusable"
    with pytest.raises(LaunchError, match="does not answer"):
        backend.launch(start(backend, "theirs://x", None), ignore)


@pytest.mark.parametrize(
    ("model", "asked"),
    [("theirs://simulated", "theirs"), ("theirs://simulated", None), (None, "theirs")],
    ids=["by both", "by name", "whatever it has"],
)
def test_its_models_can_be_chosen(
    backend: ServerBackend, port: int, configure: Callable[[str], Path], model: str | None, asked: str | None
) -> None:
    configure(f"[backends.theirs]\nurl = 'http://127.0.0.1:{port}/v1/'\nkey_env = 'THE_KEY'\n")
    config = load_config()
    made = decide(
        Host.load(config, third_party=False), config, Wish(model=model, backend=asked, offline=True)
    )
    assert made.choice.pick is not None
    assert (made.choice.pick.build.ref, made.choice.pick.fit.backend) == ("theirs://simulated", "theirs")
    assert made.choice.pick.fit.verdict == "unknown"


def test_it_is_never_chosen_unasked(
    backend: ServerBackend, port: int, configure: Callable[[str], Path]
) -> None:
    configure(f"[backends.theirs]\nurl = 'http://127.0.0.1:{port}/v1'\nkey_env = 'THE_KEY'\n")
    config = load_config()
    made = decide(Host.load(config, third_party=False), config, Wish(offline=True))
    assert made.choice.pick is None or made.choice.pick.fit.backend != "theirs"


class _Odd(BaseHTTPRequestHandler):
    body: bytes

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)


@contextlib.contextmanager
def odd(body: bytes) -> Iterator[ServerBackend]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Odd", (_Odd,), {"body": body}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield ServerBackend("theirs", BackendConfig(url=f"http://127.0.0.1:{server.server_port}/v1"))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": 3}', b'"\xff"'])
def test_an_answer_that_is_no_list_is_no_server(body: bytes) -> None:
    with odd(body) as backend:
        assert backend.status(MACHINE).state == "unusable"


def test_names_that_no_reference_can_hold_are_left_out_and_contexts_are_read() -> None:
    names = ["good", "two words", "\x1b[2J", "", 7, None, "x" * 999]
    data = [*({"id": name} for name in names), {"id": "long", "max_model_len": 8192}, 5]
    with odd(json.dumps({"data": data}).encode()) as backend:
        found = backend.address.models()
        assert [(one.id, one.context) for one in found] == [("good", None), ("long", 8192)]
