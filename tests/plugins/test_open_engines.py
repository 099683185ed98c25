"""A third party's backend that starts its engine by itself is held to the core's rules: real processes, really ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.errors import LaunchError
from launchpad.events import ignore
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.plan import StartStep
from launchpad.plugins.host import Host
from launchpad.testing.processes import eventually, gone

BACKEND = """
import json, os, subprocess, sys, time
from pathlib import Path
from launchpad.plugins import (
    BackendBase, BackendCapabilities, BackendStatus, EngineReport, Server, hookimpl,
)

class Running:
    def __init__(self, process, server):
        self.process, self.server = process, server
    def alive(self): return self.process.poll() is None
    def log_tail(self, lines=20): return ()
    def stop(self): self.process.kill(); self.process.wait()

class Loner(BackendBase):
    name = "loner"
    capabilities = BackendCapabilities(formats=("gguf",))
    def status(self, machine): return BackendStatus(state="ready", version="1")
    def launch(self, start, report):
        ready = Path({folder!r}) / "ready"
        process = subprocess.Popen(
            [sys.executable, "-m", "launchpad.testing.fake_engine", *{options!r}],
            stdin=subprocess.PIPE, start_new_session={session!r},
            env={{**os.environ, "LAUNCHPAD_READY_FILE": str(ready)}},
        )
        Path({folder!r}, "pid").write_text(str(process.pid))
        process.stdin.write(b'{{"api_key": "x"}}')
        process.stdin.close()
        while not ready.exists() or not ready.read_bytes():
            assert process.poll() is None
            time.sleep(0.02)
        port = json.loads(ready.read_text())["port"]
        server = Server(
            id="loner", backend="loner", endpoint=f"http://127.0.0.1:{{port}}/v1", api_key="x", pid={told},
            model=start.model_id, settings=start.settings,
            report=EngineReport(engine="loner", context=start.settings.context),
        )
        return Running(process, server)

@hookimpl
def launchpad_backends(): return [Loner()]
"""

SETTINGS = Settings(context=1024)
STEP = StartStep(
    backend="loner",
    model_id="m",
    model_name="M",
    build="file:///m.gguf",
    model_path="/m.gguf",
    arguments={},
    settings=SETTINGS,
    fit=Fit(
        model_id="m",
        build="file:///m.gguf",
        backend="loner",
        settings=SETTINGS,
        placement=Placement(kind="cpu"),
        devices=(),
        verdict="fits",
    ),
)


@pytest.fixture
def launch(
    write_plugin: Callable[[str, str], Path], make_host: Callable[..., Host], tmp_path: Path
) -> Callable[..., None]:
    def run(*options: str, session: bool = False, told: str = "process.pid") -> None:
        source = BACKEND.format(folder=str(tmp_path), options=list(options), session=session, told=told)
        write_plugin("loner", source)
        backend = make_host().backend("loner")
        backend.launch(STEP, ignore).stop()

    return run


@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("told", ["process.pid", "os.getpid()"])
def test_an_engine_open_to_the_network_is_ended(
    launch: Callable[..., None], tmp_path: Path, session: bool, told: str
) -> None:
    with pytest.raises(LaunchError, match="listens beyond this machine") as caught:
        launch("--host", "0.0.0.0", session=session, told=told)
    assert "loner" in caught.value.what
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: gone(pid))


def test_code_of_others_is_not_run(launch: Callable[..., None]) -> None:
    with pytest.raises(LaunchError, match="runs with --trust-remote-code"):
        launch("--trust-remote-code")


def test_an_engine_on_loopback_is_left_alone(launch: Callable[..., None]) -> None:
    launch()
