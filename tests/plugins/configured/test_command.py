"""A command line as a backend: the simulated engine, and the real llama.cpp behind a program like llama-server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

import launchpad.plugins.configured
from backend_starts import start
from launchpad.config.sections import BackendConfig
from launchpad.engines.loopback import free_port
from launchpad.errors import EngineCrashed, LaunchError
from launchpad.events import ignore
from launchpad.hardware.machine import Machine
from launchpad.plugins import CommandBackend
from launchpad.testing import BackendContract, PluginContract

SIMULATED = (sys.executable, "-m", "launchpad.testing.fake_engine", "--port", "{port}")
PROGRAM = Path(__file__).with_name("llama_server.py")
MACHINE = Machine(name="here")
SIMULATED_MACHINE = Machine(name="there", simulated=True)
KEYED = {"SIMULATED_ENGINE_KEY": "{api_key}"}


def backend(*more: str, **settings: object) -> CommandBackend:
    return CommandBackend("mine", BackendConfig(command=(*SIMULATED, *more), **{"env": KEYED, **settings}))  # type: ignore[arg-type]


class TestPlugin(PluginContract):
    @pytest.fixture(autouse=True)
    def _configured(self, configure: Callable[[str], Path]) -> None:
        table = "command = ['server', '{port}']"
        configure(f"[backends.mine]\n{table}\n[backends.other]\nurl = 'http://127.0.0.1:9/v1'\n")

    def plugin(self) -> object:
        return launchpad.plugins.configured


class TestBackend(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, model_file: Path) -> None:
        self._path = model_file

    def backend(self) -> CommandBackend:
        return backend()

    def model_file(self) -> Path:
        return self._path


class TestOpenServer(TestBackend):
    """Many servers know no key: the contract lets them, and they stay on loopback."""

    def backend(self) -> CommandBackend:
        return backend(env={})


@pytest.mark.engine
class TestRealEngine(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, smollm2: Path) -> None:
        self._path = smollm2

    def backend(self) -> CommandBackend:
        blanks = [
            "--model",
            "{model_path}",
            "--port",
            "{port}",
            "--ctx",
            "{context}",
            "--ngl",
            "{gpu_layers}",
        ]
        command = (sys.executable, str(PROGRAM), *blanks)
        return CommandBackend("mine", BackendConfig(command=command, env={"LLAMA_API_KEY": "{api_key}"}))

    def model_file(self) -> Path:
        return self._path


def test_blanks_are_filled_and_the_key_stands_in_no_command_line(model_file: Path) -> None:
    mine = backend("--context", "{context}")
    with_engine = mine.launch(start(mine, "file:///x", model_file), ignore)
    try:
        words = psutil.Process(with_engine.server.pid).cmdline()
        assert words[-2:] == ["--context", "512"]
        assert with_engine.server.api_key and with_engine.server.api_key not in " ".join(words)
        assert with_engine.server.model == "simulated"  # as the server lists it
    finally:
        with_engine.stop()


def test_only_what_is_told_is_an_argument() -> None:
    assert backend().arguments(start(backend(), "x", None).fit) == {}
    assert backend("{context}").arguments(start(backend(), "x", None).fit) == {"context": 512}


@pytest.mark.parametrize(
    ("more", "settings", "said"),
    [
        (("--exit-at-load", "3"), {}, "could not load"),
        (("--hang-at-load",), {"stall": 0.5}, "stopped loading"),
        (("--crash-at-token", "0"), {}, "could not load"),
        ((), {"env": {"OTHER_NAME": "{api_key}"}}, "answers without the key"),
        ((), {"env": {"SIMULATED_ENGINE_KEY": "fixed"}}, "does not answer"),
    ],
)
def test_what_does_not_work_is_said_and_leaves_nothing(
    model_file: Path, more: tuple[str, ...], settings: dict[str, object], said: str
) -> None:
    mine = backend(*more, **settings)
    with pytest.raises(LaunchError, match=said):
        mine.launch(start(mine, "file:///x", model_file), ignore)
    assert not [
        p for p in psutil.Process().children(recursive=True) if "fake_engine" in " ".join(p.cmdline())
    ]


class Stranger(BaseHTTPRequestHandler):
    """A server of somebody else, which says yes to everything and notes what it is asked."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(f"{self.command} {self.path} {dict(self.headers)}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "stranger"}]}')

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that was free when it was chosen, and on which a stranger answers when the engine comes."""
    Stranger.heard.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_port_that_a_stranger_took_first_is_left_to_it(
    model_file: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row E6: the engine cannot bind and ends; it is started with another port, and the stranger hears nothing."""
    chosen = [taken_port]
    monkeypatch.setattr(
        "launchpad.plugins.command_backend.free_port", lambda: chosen.pop() if chosen else free_port()
    )
    server = backend().launch(start(backend(), "file:///x", model_file), ignore)
    try:
        assert not chosen
        assert f":{taken_port}/" not in server.server.endpoint
        assert server.server.model == "simulated"
        assert Stranger.heard == []
    finally:
        server.stop()


def test_where_every_port_is_taken_the_last_try_says_so(
    model_file: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launchpad.plugins.command_backend.free_port", lambda: taken_port)
    with pytest.raises(EngineCrashed, match="could not load") as caught:
        backend().launch(start(backend(), "file:///x", model_file), ignore)
    assert "already in use" in str(caught.value.why)
    assert caught.value.retryable
    assert Stranger.heard == []


def test_a_server_that_is_open_to_the_network_is_stopped(model_file: Path, tmp_path: Path) -> None:
    """By its own default, which no check of its command line can see."""
    script = tmp_path / "open.py"
    script.write_text(
        "import sys\nfrom launchpad.testing import fake_engine\n"
        "sys.argv += ['--host', '0.0.0.0']\nfake_engine.main()\n"
    )
    settings = BackendConfig(command=(sys.executable, str(script), "--port", "{port}"))
    mine = CommandBackend("mine", settings)
    with pytest.raises(LaunchError, match="listens beyond this machine") as caught:
        mine.launch(start(mine, "file:///x", model_file), ignore)
    assert "--host 127.0.0.1" in str(caught.value.hint)


def test_a_program_that_is_not_there() -> None:
    mine = CommandBackend("mine", BackendConfig(command=("no-such-program-here", "{port}")))
    status = mine.status(MACHINE)
    assert status.state == "unusable" and "no-such-program-here" in (status.why or "")
    assert mine.status(SIMULATED_MACHINE).state == "ready"


def test_a_server_that_breaks_when_asked_for_its_models_is_ready_all_the_same(model_file: Path) -> None:
    mine = backend("--break-models")
    running = mine.launch(start(mine, model_file.as_uri(), model_file), ignore)
    try:
        assert running.server.model == "a/b"
    finally:
        running.stop()
