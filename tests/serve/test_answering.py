"""What observers hear of the gateway's answers."""

from __future__ import annotations

import json
import socket

import pytest

from chat.simulated_engine import DONE, SimulatedEngine, answer, piece, usage
from launchpad.events import AnswerFinished
from launchpad.testing.processes import eventually
from serve.conftest import ASK, KEY, Running

CHAT = "/v1/chat/completions"
STREAM = {**ASK, "stream": True}


def heard(serving: Running) -> AnswerFinished:
    """The one event."""
    eventually(lambda: bool(serving.heard))
    (event,) = serving.heard
    assert isinstance(event, AnswerFinished)
    assert (event.backend, event.model) == ("simulated", "simulated-model")
    assert event.seconds > 0
    return event


def test_a_stream(serving: Running, engine: SimulatedEngine) -> None:
    engine.reply(
        piece(role="assistant", content=""), piece("Hel"), piece("lo", finish="length"), usage(7, 2), DONE
    )
    serving.client(CHAT, STREAM)
    event = heard(serving)
    assert (event.reason, event.prompt_tokens, event.completion_tokens) == ("length", 7, 2)
    assert event.first_token is not None
    assert 0 < event.first_token <= event.seconds


def test_a_whole_answer(serving: Running, engine: SimulatedEngine) -> None:
    choice = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "tool_calls"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    engine.reply(json.dumps(body).encode(), content_type="application/json")
    serving.client(CHAT, ASK)
    event = heard(serving)
    assert (event.reason, event.prompt_tokens, event.completion_tokens) == ("tool_calls", 3, 4)
    assert event.first_token is None


@pytest.mark.parametrize(
    ("path", "end", "reason"),
    [
        (
            "/v1/messages",
            b'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}\n\n'
            b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
            "end_turn",
        ),
        (
            "/v1/responses",
            b'event: response.completed\ndata: {"response":{"status":"completed","usage":{"output_tokens":5}}}\n\n',
            "completed",
        ),
    ],
)
def test_other_apis(serving: Running, engine: SimulatedEngine, path: str, end: bytes, reason: str) -> None:
    engine.reply(b'event: x\ndata: {"delta":"Hi","text":"Hi"}\n\n', end)
    asked = {"model": "m", "stream": True, "messages": ASK["messages"], "max_tokens": 9}
    if path == "/v1/responses":
        asked = {"model": "m", "stream": True, "input": "hi"}
    assert serving.client(path, asked).status == 200
    event = heard(serving)
    assert (event.reason, event.completion_tokens) == (reason, 5)
    assert event.first_token is not None


def test_an_answer_that_was_cut(serving: Running, engine: SimulatedEngine) -> None:
    engine.reply(piece("Hel"))
    serving.client(CHAT, STREAM)
    assert heard(serving).reason == "error"


def test_a_client_that_left(serving: Running, engine: SimulatedEngine) -> None:
    engine.reply(piece("first"), endless=piece("more"))
    body = json.dumps(STREAM).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{serving.client.port}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", serving.client.port)) as client:
        client.sendall(head.encode() + body)
        client.recv(1000)
    assert heard(serving).reason == "cancelled"


def test_what_reached_no_engine_and_what_is_no_answer(serving: Running, engine: SimulatedEngine) -> None:
    assert serving.client(CHAT, {**ASK, "model": "other"}).status == 404
    engine.reply(b'{"data": [], "usage": {"prompt_tokens": 3}}', content_type="application/json")
    assert serving.client("/v1/embeddings", {"model": "m", "input": "hi"}).status == 200
    engine.replies.clear()
    engine.reply(*answer("Hello"))
    serving.client(CHAT, STREAM)
    heard(serving)
