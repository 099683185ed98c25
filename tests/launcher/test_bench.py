"""The benchmark's arithmetic, and its requests against an engine that keeps a cache (simulated)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from launchpad.engines.server import EngineReport, Server
from launchpad.errors import EngineError
from launchpad.fit.result import Settings
from launchpad.launcher.bench import DECODE, PREFILL, Point, depths_within, measure


def test_depths_leave_room_for_both_tests() -> None:
    assert depths_within(4096) == (0, 2048)
    assert depths_within(PREFILL + DECODE) == (0,)
    assert depths_within(512) == ()
    assert depths_within(4096, (100, 4000)) == (100,)


def test_the_median_is_that_of_the_runs() -> None:
    point = Point(depth=0, prefill=(), decode=(1.0, 9.0, 2.0))
    assert point.decode_median == 2.0
    assert point.prefill_median is None


class CachingEngine(BaseHTTPRequestHandler):
    """Reads only what its cache lacks, as llama.cpp's server does; 1000 tokens/s in, 100 out."""

    cache: list[int] = []  # noqa: RUF012  (shared by all requests on purpose)
    caches = True
    times = True

    def do_POST(self) -> None:
        assert self.headers["Authorization"] == "Bearer key"
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["prompt"]
        common = 0
        while common < min(len(prompt), len(self.cache)) and prompt[common] == self.cache[common]:
            common += 1
        read = len(prompt) - (common if self.caches else 0)
        type(self).cache = list(prompt)
        timings = {"prompt_n": read, "prompt_per_second": 1000.0}
        timings |= {"predicted_n": request["max_tokens"], "predicted_per_second": 100.0}
        body = json.dumps({"timings": timings} if self.times else {"choices": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def engine(**behavior: Any) -> Iterator[Server]:
    handler = type("Handler", (CachingEngine,), {"cache": [], **behavior})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as simulated:
        Thread(target=simulated.serve_forever, daemon=True).start()
        yield Server(
            id="x",
            backend="llamacpp",
            endpoint=f"http://127.0.0.1:{simulated.server_port}/v1",
            api_key="key",
            pid=1,
            model="m",
            settings=Settings(context=4096),
            report=EngineReport(engine="simulated"),
        )
        simulated.shutdown()


def test_every_depth_is_measured_as_often_as_asked() -> None:
    said: list[str] = []
    with engine() as server:
        empty, deep = measure(server, (0, 2048), 2, said.append)
    assert (empty.depth, deep.depth) == (0, 2048)
    assert deep.prefill == (1000.0, 1000.0)
    assert deep.decode == (100.0, 100.0)
    assert said == ["depth 0", "depth 2,048"]


def test_an_engine_that_reads_the_depth_again_gets_no_figure_for_prefill_there() -> None:
    with engine(caches=False) as server:
        empty, deep = measure(server, (0, 2048), 1, lambda _: None)
    assert empty.prefill == (1000.0,)
    assert deep.prefill == ()
    assert deep.decode == (100.0,)


def test_an_engine_that_does_not_time_itself_is_an_error() -> None:
    with engine(times=False) as server, pytest.raises(EngineError, match="how fast"):
        list(measure(server, (0,), 1, lambda _: None))
