from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from launchpad.paths import cache_dir
from launchpad.pull import reach
from launchpad.pull.reach import ask_source
from launchpad.testing.hub import SimulatedHub


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_any_answer_is_a_sign_of_life(hub: SimulatedHub) -> None:
    assert ask_source(hub.endpoint + "/nothing-here", timeout=5, hint="h").ok
    assert hub.requests[0].method == "HEAD"


def test_silence_costs_its_seconds_once(silent: str) -> None:
    answer = ask_source(silent, timeout=0.3, hint="h")
    assert not answer.ok and answer.hint == "h" and "cannot be reached" in str(answer.why)
    begin = time.monotonic()
    assert ask_source(silent, timeout=30, hint="h") == answer
    assert time.monotonic() - begin < 1


def test_a_name_lookup_that_hangs_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    never = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(5) or [])
    begin = time.monotonic()
    assert not ask_source("https://blackhole.example/", timeout=0.2, hint="h").ok
    assert time.monotonic() - begin < 3
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
