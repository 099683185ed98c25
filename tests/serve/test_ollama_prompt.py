"""A prompt that Ollama's `/v1` would cut is refused before it is sent, with both numbers, whichever API it came by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from launchpad.serve.ollama_prompt import refuse_too_long
from launchpad.serve.problem import Problem
from launchpad.serve.upstream import EngineGone
from launchpad.testing.replay import Replay
from ollama_traffic import exchanges, only, server_at

LONG = "Item is a small wooden box. " * 300
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": LONG}]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]},
    "tool call": {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": LONG}}]}]},
    "tools": {"tools": [{"description": LONG}], "messages": [{"role": "user", "content": "x"}]},
    "anthropic": {"system": LONG, "messages": [{"role": "user", "content": "x"}]},
    "responses": {"input": LONG},
    "responses list": {"input": [{"role": "user", "content": [{"type": "input_text", "text": LONG}]}]},
    "completion": {"prompt": LONG},
}


def ask(replay: Replay, body: dict[str, Any], dialect: Any = "openai", context: int = 256) -> None:
    asyncio.run(refuse_too_long(server_at(replay, context=context), body, dialect))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_too_long(body: dict[str, Any], dialect: str) -> None:
    with Replay(only("prompt-too-long", 3)) as replay:
        with pytest.raises(Problem) as caught:
            ask(replay, body, dialect)
        (asked,) = replay.asked("/api/chat")
    assert caught.value.status == 400
    assert "2109" in caught.value.message
    assert "256" in caught.value.message
    assert (asked["truncate"], asked["shift"], asked["options"]["num_predict"]) == (False, False, 1)
    assert asked["options"]["num_ctx"] == 256
    assert LONG in "".join(str(m["content"]) for m in asked["messages"])


def test_what_fits_goes_on() -> None:
    with Replay(exchanges("chat", "/api/chat")) as replay:
        ask(replay, BODIES["chat"], context=2048)
        assert len(replay.asked("/api/chat")) == 1


def test_what_cannot_be_too_long_is_not_measured() -> None:
    with Replay([]) as replay:
        ask(replay, {"messages": [{"role": "user", "content": "hi"}]})
        ask(replay, {})
        ask(replay, {"messages": [], "tools": None})
        assert replay.requests == []


def test_what_is_not_measured_is_for_the_request_itself() -> None:
    with Replay(only("not-found", 0)) as replay:
        ask(replay, BODIES["chat"])


def test_where_it_cannot_be_measured_nothing_is_sent() -> None:
    with Replay(only("busy-v1", 4)) as replay, pytest.raises(Problem, match="server busy") as caught:
        ask(replay, BODIES["chat"])
    assert (caught.value.status, caught.value.code) == (503, "not_measured")
    with pytest.raises(EngineGone):
        ask(replay, BODIES["chat"])  # nobody listens any more
