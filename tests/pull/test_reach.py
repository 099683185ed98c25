from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from launchpad.paths import cache_dir
from launchpad.pull import reach
from launchpad.pull.http import client
from launchpad.pull.options import PullOptions
from launchpad.pull.reach import ask_source
from launchpad.testing.hub import SimulatedHub


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def silent(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_any_answer_is_a_sign_of_life(hub: SimulatedHub) -> None:
    assert ask_source(hub.endpoint + "/nothing-here", timeout=5, hint="h").ok
    assert hub.requests[0].method == "HEAD"


def test_silence_costs_its_seconds_once(silent: str, listening: socket.socket) -> None:
    client(PullOptions()).close()  # the first one takes its time to be loaded
    answer = ask_source(silent, timeout=3, hint="h")
    assert not answer.ok and answer.hint == "h" and "cannot be reached" in str(answer.why)
    assert ask_source(silent, timeout=30, hint="h") == answer
    listening.setblocking(False)
    listening.accept()[0].close()
    with pytest.raises(BlockingIOError):  # nobody came a second time
        listening.accept()


def test_a_name_lookup_that_hangs_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    never = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait() and [])
    assert not ask_source("https://blackhole.example/", timeout=0.2, hint="h").ok
    never.set()


def test_a_failure_is_forgotten_after_a_while(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_source(silent, timeout=0.2, hint="first")
    now = time.time()
    monkeypatch.setattr(reach, "time", lambda: now + reach.REMEMBERED + 5)
    assert ask_source(silent, timeout=0.2, hint="second").hint == "second"
    monkeypatch.setattr(reach, "time", lambda: now - 3600)  # the clock was set back
    assert ask_source(silent, timeout=0.2, hint="third").hint == "third"


def test_another_proxy_is_another_question(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_source(silent, timeout=0.2, hint="first")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert ask_source(silent, timeout=0.5, hint="second").hint == "second"


def test_a_broken_memory_is_no_trouble(silent: str) -> None:
    ask_source(silent, timeout=0.2, hint="first")
    for memory in (cache_dir() / "reachability").iterdir():
        memory.write_bytes(b"\x00")
    assert ask_source(silent, timeout=0.2, hint="second").hint == "second"


@pytest.mark.parametrize("url", ["nonsense", "http://[half", "https://127.0.0.1:9/"])
def test_it_never_raises(url: str) -> None:
    answer = ask_source(url, timeout=2, hint="h")
    assert not answer.ok and answer.why
