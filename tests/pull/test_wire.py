from __future__ import annotations

import httpx2
import pytest

from launchpad.pull import wire
from launchpad.pull.http import client
from launchpad.pull.options import PullOptions
from launchpad.testing.hub import SimulatedHub


class Recorder:
    """Stands in for a connection and notes how much is asked of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.asked.append(max_bytes)
        return b""


def test_our_clients_read_in_large_steps_and_others_do_not(hub: SimulatedHub) -> None:
    """Fails when the HTTP library keeps its parts elsewhere."""
    url = hub.add("/x", b"x")
    with client(PullOptions()) as ours, ours.stream("GET", url) as response:
        assert isinstance(response.extensions["network_stream"], wire._Stream)
    with httpx2.Client() as theirs, theirs.stream("GET", url) as response:
        assert not isinstance(response.extensions["network_stream"], wire._Stream)


def test_connections_through_a_proxy_do_too(hub: SimulatedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    url = hub.add("/x", b"x")
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    monkeypatch.setenv("NO_PROXY", "")
    with client(PullOptions()) as ours, ours.stream("GET", url) as response:
        assert isinstance(response.extensions["network_stream"], wire._Stream)


def test_who_asks_for_little_gets_no_more() -> None:
    recorder = Recorder()
    stream = wire._Stream(recorder)  # type: ignore[arg-type]
    stream.read(4096)
    stream.read(64 << 10)
    assert recorder.asked == [4096, wire.READ]
