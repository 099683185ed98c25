from __future__ import annotations

import random

import httpx2
import pytest

from launchpad.pull import wire
from launchpad.pull.http import client
from launchpad.pull.options import PullOptions
from launchpad.testing.hub import Fault, SimulatedHub


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


def test_a_long_answer_passes_the_library_by(hub: SimulatedHub) -> None:
    """Its head and first bytes come through the library, the rest does not, and no byte is lost or told twice."""
    content = random.Random(3).randbytes(wire._LONG + 12_345)
    url = hub.add("/long", content)
    with client(PullOptions()) as http, http.stream("GET", url) as response:
        assert b"".join(wire.body(response, 5.0)) == content
        assert response.num_bytes_downloaded < len(content), "what the library counted"


def test_a_short_answer_leaves_the_connection_for_the_next_request(hub: SimulatedHub) -> None:
    url = hub.add("/short", b"x" * 100_000)
    with client(PullOptions()) as http:
        for _ in range(3):
            with http.stream("GET", url) as response:
                assert len(b"".join(wire.body(response, 5.0))) == 100_000
    assert hub.connections == 1


@pytest.mark.parametrize(
    ("fault", "seconds", "error"),
    [
        (Fault(cut_after=wire._LONG // 2), 60, httpx2.RemoteProtocolError),
        (Fault(stall_after=wire._LONG // 2), 0.3, httpx2.ReadTimeout),
    ],
    ids=["cut", "stall"],
)
def test_a_long_answer_that_breaks_off_is_told_as_the_library_tells_it(
    hub: SimulatedHub, fault: Fault, seconds: float, error: type[Exception]
) -> None:
    url = hub.add("/long", bytes(wire._LONG))
    hub.misbehave("/long", fault)
    with (
        client(PullOptions()) as http,
        http.stream("GET", url) as response,
        pytest.raises(error),
    ):
        for _ in wire.body(response, seconds):
            pass
