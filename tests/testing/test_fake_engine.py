"""The simulated engine misbehaves as it is told (rows E2 and E11 of the fault model rest on it)."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from launchpad.engines.process import EngineProcess
from launchpad.testing.processes import KEY, engine_processes, eventually, fake_command


@contextlib.contextmanager
def _engine(*options: str) -> Iterator[tuple[EngineProcess, int]]:
    engine = EngineProcess.start(fake_command(*options))
    try:
        yield engine, engine.await_ready(engine.ready_message)["port"]
    finally:
        engine.stop()


def _chat(port: int, **request: object) -> bytes:
    """The raw body of the answer to one chat."""
    body = json.dumps({"messages": [{"role": "user", "content": "one two"}], **request})
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=150)) as connection:
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
        return connection.getresponse().read()


def _text(stream: bytes) -> str:
    lines = [line[6:] for line in stream.decode().splitlines() if line.startswith('data: {"object"')]
    return "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines)


def test_an_answer_whole_and_streamed() -> None:
    with _engine() as (_, port):
        whole = json.loads(_chat(port))["choices"][0]["message"]["content"]
        stream = _chat(port, stream=True)
    assert whole == _text(stream) == "The answer is: one two "
    assert stream.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "fault", ["no-done", "half-character", "crlf", "two-in-one", "error", "garbage", "huge"]
)
def test_broken_streams(fault: str) -> None:
    with _engine("--sse", fault) as (_, port):
        stream = _chat(port, stream=True)
    signs = {
        "no-done": not stream.rstrip().endswith(b"[DONE]"),
        "half-character": "€".encode() in stream,
        "crlf": b"\r\n\r\n" in stream and b"}\n\n" not in stream,
        "two-in-one": _text(stream).startswith("The answer is: one"),
        "error": b'"error"' in stream and b"[DONE]" not in stream,
        "garbage": b"{not json" in stream,
        "huge": len(stream) > 10_000_000,
    }
    assert signs[fault]


def test_a_crash_in_the_middle_of_an_answer() -> None:
    with _engine("--crash-at-token", "3") as (engine, port):
        with pytest.raises((http.client.HTTPException, OSError)):
            json.loads(_chat(port) or b"{")
        eventually(lambda: not engine.alive())
        assert engine.exit is not None
        assert engine.exit.signal == 11


@pytest.mark.skipif(sys.platform == "win32", reason="its workers are forks")
def test_a_ready_engine_has_workers_that_have_escaped(private_home: Path) -> None:
    slow = "import os, time; setsid = os.setsid; os.setsid = lambda: (time.sleep(0.5), setsid())"
    main = "from launchpad.testing import fake_engine; fake_engine.main()"
    engine = EngineProcess.start(
        fake_command(argv=(sys.executable, "-c", f"{slow}; {main}", "--workers", "3"))
    )
    try:
        engine.await_ready(engine.ready_message)
        assert engine.pid is not None
        group = os.getpgid(engine.pid)
        # Guard, its witness, engine, three workers; what they were forked from may be just about to end.
        eventually(lambda: len(engine_processes(private_home)) == 6)
        processes = engine_processes(private_home)
        escaped = [pid for pid in processes if os.getpgid(pid) != group]
        assert len([pid for pid in escaped if f"{slow}; {main}" in psutil.Process(pid).cmdline()]) == 2
    finally:
        engine.stop()
