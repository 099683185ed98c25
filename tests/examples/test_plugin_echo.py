"""The one-file plugin of the examples: loaded by the host, launched, asked, stopped."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from launchpad.config import Config, PluginsConfig
from launchpad.engines.server import RunningServer, Server
from launchpad.events import EngineReady, EngineStarting, Event
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import Machine
from launchpad.paths import data_dir
from launchpad.plan import StartStep
from launchpad.plugins.discovery import load_file
from launchpad.plugins.host import Host
from launchpad.plugins.spec import Backend
from launchpad.testing import BackendContract, PluginContract

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin_echo.py"
SETTINGS = Settings(context=4096)
FIT = Fit(
    model_id="a/b",
    build="file:///x",
    backend="echo",
    settings=SETTINGS,
    placement=Placement(kind="cpu"),
    devices=(),
    verdict="fits",
)
START = StartStep(
    backend="echo",
    model_id="a/b",
    model_name="B",
    build="file:///x",
    model_path="/x",
    settings=SETTINGS,
    arguments={},
    fit=FIT,
)


@pytest.fixture
def host() -> Host:
    return Host.load(Config(plugins=PluginsConfig(paths=(str(EXAMPLE),), timeout=150)))


@pytest.fixture
def running(host: Host) -> Iterator[tuple[RunningServer, list[Event]]]:
    events: list[Event] = []
    server = host.backend("echo").launch(START, events.append)
    yield server, events
    server.stop()
    assert not server.alive()


def ask(server: Server, *, stream: bool = False, key: str | None = None) -> tuple[int, str]:
    url = urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=150)
    body = json.dumps({"messages": [{"role": "user", "content": "good morning"}], "stream": stream})
    connection.request(
        "POST", f"{url.path}/chat/completions", body, {"Authorization": f"Bearer {key or server.api_key}"}
    )
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_it_answers_under_the_guard(running: tuple[RunningServer, list[Event]], host: Host) -> None:
    handle, events = running
    status, text = ask(handle.server)
    assert status == 200
    assert json.loads(text)["choices"][0]["message"]["content"] == "You said: good morning"
    assert (
        "".join(
            json.loads(line[6:])["choices"][0]["delta"].get("content", "")
            for line in ask(handle.server, stream=True)[1].splitlines()
            if line.startswith("data: {")
        ).strip()
        == "You said: good morning"
    )
    assert ask(handle.server, key="wrong")[0] == 401
    assert handle.alive()
    assert isinstance(events[0], EngineStarting)
    assert host.failures == ()


def test_it_is_ready_everywhere(host: Host) -> None:
    assert host.backend("echo").status(Machine(name="simulated")).state == "ready"


def test_it_keeps_a_diary(host: Host) -> None:
    host.emit(EngineReady(backend="echo", seconds=1.0, summary="B, CPU"))
    assert (data_dir() / "echo-diary.txt").read_text() == "echo: B, CPU\n"
    assert host.failures == ()


class TestItKeepsTheContract(BackendContract):
    """The kit of every plugin, with the real engine process. `echo` reads no file, so any will do."""

    def backend(self) -> Backend:
        return load_file(EXAMPLE).Echo()

    def model_file(self) -> Path:
        return EXAMPLE

    def test_a_file_that_is_no_model_is_refused_with_an_error_for_people(self, tmp_path: Path) -> None:
        pytest.skip("echo reads no model")


class TestItIsAPlugin(PluginContract):
    def plugin(self) -> object:
        return load_file(EXAMPLE)
