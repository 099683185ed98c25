"""An engine behind the job of a cluster, from start to end. The dashboard is simulated; job, leash and relay are the real programs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

import launchpad
from launchpad.engines.ray.companion import Task
from launchpad.engines.ray.entry import failure_in
from launchpad.hardware.ray_dashboard import dashboard
from launchpad.testing.processes import eventually, gone
from ray_facts import TWO, Jobs, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="vLLM runs on Linux")

HEAD = Path(launchpad.__file__).parent / "engines" / "ray" / "head.py"  # of what is installed
ENGINE = """
import http.server, json, signal, sys, os
settings = json.load(sys.stdin)
port = int(settings["words"][settings["words"].index("--port") + 1])
if "stubborn" in settings["words"]:
    signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("the engine is", os.getpid(), os.environ["COLOR"], flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die": os._exit(9)
        self.send_response(200); self.send_header("Content-Length", "5"); self.end_headers()
        self.wfile.write(settings["api_key"].encode())
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("Application startup complete.", flush=True)
server.serve_forever()
"""


class Running:
    """A companion and what stands behind it."""

    def __init__(self, folder: Path, task: Task, jobs: Jobs) -> None:
        self.jobs, self.job, self._ready = jobs, task.job, folder / "ready"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "launchpad.engines.ray.companion"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LAUNCHPAD_READY_FILE": str(self._ready)},
            )
        assert self.process.stdin
        with self.process.stdin as feed:
            feed.write(msgspec.json.encode(task))

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ready(self) -> int:
        eventually(self._ready.exists, seconds=30)
        eventually(lambda: "startup complete" in self.log, seconds=30)
        port: int = json.loads(self._ready.read_text())["port"]
        return port

    @property
    def engine(self) -> psutil.Process:
        line = next(line for line in self.log.splitlines() if line.startswith("the engine is"))
        return psutil.Process(int(line.split()[3]))

    def get(self, path: str = "/") -> bytes:
        connection = HTTPConnection("127.0.0.1", self.ready(), timeout=150)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def ended(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)


Start = Callable[..., Running]


@pytest.fixture
def answers() -> dict[str, Any]:
    """What the dashboard says; a test may change it while it is asked."""
    return deepcopy(TWO)


@pytest.fixture
def start(tmp_path: Path, answers: dict[str, Any]) -> Iterator[Start]:
    """Starts a companion; afterwards nothing is left of it, or of the job."""
    (tmp_path / "jobs").mkdir()
    jobs, started = Jobs(tmp_path / "jobs"), []

    def actors() -> dict[str, Any]:
        """Two workers, as long as their job lives."""
        alive = any(process.poll() is None for process in jobs.running.values())
        rows = [{"state": "ALIVE", "node_id": node} for node in ("a", "b")] if alive else []
        return {"data": {"result": {"result": rows}}}

    answers["/api/v0/actors"] = actors
    with serving(answers, jobs=jobs) as port:

        def run(
            *words: str,
            source: str | None = None,
            nodes: tuple[str, ...] = ("127.0.0.1",),
            drain: float = 1.0,
        ) -> Running:
            task = Task(
                dashboard=dashboard(f"ray://127.0.0.1:{port}"),
                job="launchpad-run-1",
                source=source or HEAD.read_text(),
                child=ENGINE,
                settings={"words": ["m", *words], "api_key": "12345"},
                environment={"COLOR": "green"},
                nodes=nodes,
                drain=drain,
            )
            started.append(Running(tmp_path, task, jobs))
            return started[-1]

        yield run
        for one in started:
            one.process.kill()
            one.process.wait()


def test_the_port_here_leads_to_the_engine_there_and_a_stop_leaves_nothing(start: Start) -> None:
    running = start()
    assert running.get() == b"12345"
    engine = running.engine
    assert "the engine is" in running.log
    assert "green" in running.log
    assert "12345" not in json.dumps(running.jobs.submitted)  # the key is never told to the dashboard
    running.process.send_signal(signal.SIGTERM)
    assert running.ended() == 0
    assert not engine.is_running()
    assert running.jobs.submitted == {}


def test_an_engine_that_is_deaf_is_ended_by_force(start: Start) -> None:
    running = start("stubborn")
    running.ready()
    engine = running.engine
    running.process.send_signal(signal.SIGTERM)
    assert running.ended() == 0
    assert not engine.is_running()


def test_a_killed_companion_takes_the_engine_with_it(start: Start) -> None:
    running = start()
    running.ready()
    engine = running.engine
    running.process.kill()
    eventually(lambda: gone(engine.pid), seconds=30)
    eventually(lambda: running.jobs.running[running.job].poll() is not None, seconds=30)


def test_a_companion_that_is_killed_while_it_stops_leaves_the_engine_no_more_time(start: Start) -> None:
    running = start("stubborn", drain=60.0)
    running.ready()
    engine = running.engine
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert engine.is_running()
    running.process.kill()
    eventually(lambda: gone(engine.pid))


def test_without_the_secret_nobody_reaches_the_engine(start: Start) -> None:
    running = start()
    running.ready()
    line = next(one for one in running.jobs.log(running.job).splitlines() if one.startswith("launchpad-head"))
    door = json.loads(line.removeprefix("launchpad-head "))
    for hello in (
        b'{"secret": "guess", "kind": "talk"}\n',
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"kind": "leash"}\n',
        b"[]\n",
    ):
        with socket.create_connection((door["address"], door["port"]), timeout=5) as stranger:
            stranger.sendall(hello + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                answer = stranger.recv(100)
            except ConnectionResetError:
                answer = b""
            assert answer == b""
    assert running.get() == b"12345"


def test_an_engine_that_ends_by_itself_ends_its_companion(start: Start) -> None:
    running = start()
    with pytest.raises((ConnectionError, OSError)):
        running.get("/die")
    assert running.ended() == 1
    assert "the engine ended with 9" in running.log


def test_a_node_that_leaves_is_told_and_everything_ends(start: Start, answers: dict[str, Any]) -> None:
    looks, both, one = [], answers["/nodes"], deepcopy(answers["/nodes"])
    one["data"]["summary"].pop()
    left = threading.Event()

    def nodes() -> dict[str, Any]:
        looks.append(time.monotonic())
        return one if left.is_set() else both

    answers["/nodes"] = nodes
    running = start()
    running.ready()
    known = len(looks)
    eventually(lambda: len(looks) >= known + 2, seconds=60)  # it has seen the nodes that work for it
    engine = running.engine
    left.set()
    assert running.ended(30) == 1
    failure = failure_in(running.log.splitlines())
    assert failure is not None
    assert failure[0] == "A node has left the Ray cluster: 10.0.0.2."
    assert failure[2] is not None
    assert not engine.is_running()


def test_an_address_that_is_no_node_of_the_cluster_is_sent_nothing(start: Start) -> None:
    said = 'launchpad-head {"address": "192.0.2.1", "port": 80}'
    running = start(source=f"import time\nprint({said!r}, flush=True)\ntime.sleep(60)")
    assert running.ended() == 1
    assert "192.0.2.1, where no node is" in running.log
    assert running.jobs.submitted == {}


def test_a_job_that_ends_at_once_is_told_with_its_words(start: Start) -> None:
    running = start(source="raise SystemExit('no such thing')")
    assert running.ended() == 1
    assert "The job ended before it started anything." in running.log
    assert "no such thing" in running.log
