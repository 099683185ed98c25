"""Real child processes of the simulated engine, and the invariant that none is left after any test."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from launchpad.engines import kept, registry, stopping
from launchpad.engines.kept import KeptServer
from launchpad.engines.process import EngineProcess
from launchpad.engines.server import EngineReport, Server
from launchpad.fit.result import Settings
from launchpad.testing.processes import KEY, engine_processes, fake_command

Keep = Callable[..., KeptServer]


@pytest.fixture(autouse=True)
def no_orphans(private_home: Path) -> Iterator[None]:
    """After every test: no process of an engine is left."""
    yield
    left = engine_processes(private_home)
    for pid in left:
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).kill()
    assert not left


@pytest.fixture
def start() -> Iterator[Callable[..., EngineProcess]]:
    """Start the simulated engine with options; it is stopped after the test."""
    started: list[EngineProcess] = []

    def start_one(*options: str, ready: bool = True, **fields: Any) -> EngineProcess:
        process = EngineProcess.start(fake_command(*options, **fields))
        started.append(process)
        if ready:
            process.await_ready(process.ready_message)
        return process

    yield start_one
    for process in started:
        process.stop()


@pytest.fixture
def launcher(private_home: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Run a Python program that starts engines, as another process; returns once it has printed a line."""
    running: list[subprocess.Popen[str]] = []

    def run(program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline(), "the program ended without a word"
        return process

    yield run
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def facts(engine: EngineProcess) -> Server:
    """What is known of the simulated engine when it is ready."""
    ready = engine.ready_message()
    assert ready is not None
    assert engine.pid is not None
    return Server(
        id=engine.token,
        backend="simulated",
        endpoint=f"http://127.0.0.1:{ready['port']}/v1",
        api_key=KEY,
        pid=engine.pid,
        model="nothing",
        settings=Settings(context=512),
        report=EngineReport(engine="simulated 1", context=512),
    )


@pytest.fixture
def keep(start: Callable[..., EngineProcess]) -> Iterator[Keep]:
    """Start the simulated engine with options and keep it; it is stopped after the test."""

    def keep_one(*options: str, idle: float | None = None, **fields: object) -> KeptServer:
        engine = start(*options, **fields)
        server = facts(engine)
        engine.publish(server.endpoint, server.report)
        handle = kept.keep(server, b"{}", idle)
        assert handle is not None
        return handle

    yield keep_one
    for record in list(registry.records()):
        stopping.stop(record)
