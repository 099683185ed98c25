"""The gateway in front of what a real Ollama said: too long a prompt, a dead runner, a full queue, and good answers."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.engines.server import RunningServer
from launchpad.serve.models import Offer
from launchpad.testing.replay import Replay
from ollama_traffic import exchanges, only, server_at
from serve.conftest import Running, Simulated, Start
from serve.test_forward import events

LONG = "Item is a small wooden box. " * 300
SAID = [{"role": "user", "content": LONG}]
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": SAID},
    "/v1/completions": {"prompt": LONG},
    "/v1/messages": {"messages": SAID, "max_tokens": 9},
    "/v1/responses": {"input": LONG},
}
SHORT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}


class Recorded:
    """A loader whose every model is at the replayed server."""

    def __init__(self, replay: Replay, context: int) -> None:
        self._server = server_at(replay, context=context)

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        return Simulated(self._server)


def before(start: Start, replay: Replay, context: int = 256) -> Running:
    running: Running = start(Recorded(replay, context))
    return running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_rule_4_too_long_a_prompt_is_refused_with_both_numbers(
    start: Start, route: str, stream: bool
) -> None:
    with Replay(only("prompt-too-long", 3)) as replay:
        got = before(start, replay).client(route, {"model": "m", "stream": stream, **ROUTES[route]})
        assert [asked.path for asked in replay.requests] == ["/api/chat"]
    assert got.status == 400
    assert "2109" in got.error["message"] and "256" in got.error["message"]


@pytest.mark.parametrize("route", ROUTES)
def test_where_the_length_cannot_be_measured_nothing_is_sent(start: Start, route: str) -> None:
    with Replay(only("busy-v1", 4)) as replay:
        got = before(start, replay).client(route, {"model": "m", **ROUTES[route]})
        assert [asked.path for asked in replay.requests] == ["/api/chat"]
    assert got.status == 503
    assert got.headers["retry-after"] == "5"
    assert "server busy" in got.error["message"]


def test_a_server_that_went_away_before_the_prompt_was_measured(start: Start) -> None:
    with Replay([]) as replay:
        running = before(start, replay)
    got = running.client("/v1/chat/completions", {"model": "m", "messages": SAID})
    assert (got.status, got.error["code"]) == (502, "engine_gone")


@pytest.mark.parametrize(
    ("name", "index", "route"),
    [
        ("runner-killed-v1", 0, "/v1/chat/completions"),
        ("runner-killed-messages", 0, "/v1/messages"),
        ("runner-killed-messages", 1, "/v1/responses"),
    ],
)
def test_a_stream_without_its_end_is_an_error(start: Start, name: str, index: int, route: str) -> None:
    asked = {"model": "m", "input": "hi"} if route == "/v1/responses" else SHORT
    with Replay(only(name, index)) as replay:
        got = before(start, replay, 2048).client(route, {**asked, "stream": True})
    assert got.status == 200
    *pieces, last = events(got.body)
    assert pieces
    assert "the engine stopped before the end" in str(last).lower()


def test_an_answer_whose_runner_died_is_an_error(start: Start) -> None:
    with Replay(only("runner-killed-v1", 1)) as replay:
        got = before(start, replay, 2048).client("/v1/chat/completions", SHORT)
    assert got.status == 500
    assert "unexpected EOF" in got.error["message"]


@pytest.mark.parametrize(("route", "index"), [("/v1/chat/completions", 5), ("/v1/messages", 6)])
def test_a_full_queue_is_told(start: Start, route: str, index: int) -> None:
    with Replay(only("busy-v1", index)) as replay:
        got = before(start, replay, 2048).client(route, SHORT)
    assert got.status == 503
    assert "server busy" in got.error["message"]


@pytest.mark.parametrize(
    ("name", "index", "route"),
    [("v1-chat", 1, "/v1/chat/completions"), ("v1-messages", 1, "/v1/messages")],
)
def test_a_good_stream_comes_through(start: Start, name: str, index: int, route: str) -> None:
    (exchange,) = only(name, index)
    with Replay([exchange]) as replay:
        got = before(start, replay, 2048).client(route, {**SHORT, "stream": True})
    sent = "".join(chunk["text"] for chunk in exchange["response"]["chunks"])
    assert got.status == 200
    assert got.body.decode() == sent


def test_good_answers_come_through(start: Start) -> None:
    with Replay(exchanges("v1-chat", "/v1/chat/completions")[:1]) as replay:
        got = before(start, replay, 2048).client("/v1/chat/completions", SHORT)
    assert got.status == 200
    assert got.document["choices"][0]["finish_reason"]
