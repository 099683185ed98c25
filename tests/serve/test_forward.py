"""Answers on their way through: whole, cut, stalled, refused; and clients that leave."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest

from chat.simulated_engine import DONE, SimulatedEngine, answer, event, piece, usage
from launchpad.engines import exchange
from launchpad.serve import upstream
from launchpad.serve.upstream import Exchange
from launchpad.testing.processes import eventually
from serve.conftest import ASK, KEY, OneEngine, Running, Start, offers_of

CHAT = "/v1/chat/completions"
STREAM = {**ASK, "stream": True}


def events(body: bytes) -> list[Any]:
    """The data of each event; every one of them must be whole."""
    found = []
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        for line in block.splitlines():
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                found.append(json.loads(line[6:]))
    return found


def test_a_stream_comes_through_byte_by_byte(serving: Running, engine: SimulatedEngine) -> None:
    sent = [*answer("Hello", " 'world'", "\u20ac\U0001f600", prompt=7)]
    engine.reply(*sent)
    got = serving.client(CHAT, STREAM)
    assert (got.status, got.body) == (200, b"".join(sent))
    assert got.headers["content-type"] == "text/event-stream"
    assert engine.headers[0]["Authorization"] == "Bearer secret-key"
    assert engine.requests[0] == {**STREAM, "model": "simulated-model"}


def test_pieces_cut_anywhere_arrive_as_whole_events(serving: Running, engine: SimulatedEngine) -> None:
    whole = b"".join(answer("\u20ac", "x")).replace(b"\n\n", b"\r\n\r\n")
    for step in (1, 2, 3, 7, 50):
        engine.replies.clear()
        engine.reply(*(whole[i : i + step] for i in range(0, len(whole), step)))
        assert serving.client(CHAT, STREAM).body == whole


class Steady(threading.Event):
    """A gate that lets one piece through every two milliseconds, so that they come one by one."""

    def wait(self, timeout: float | None = None) -> bool:
        time.sleep(0.002)
        return True


@pytest.mark.skipif(not hasattr(socket, "SO_RCVLOWAT"), reason="Windows: each part is read as it comes")
def test_a_stream_faster_than_frames_is_read_by_frames_and_its_end_at_once(
    serving: Running, engine: SimulatedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "FRAME", 3600.0)
    parts, received = [], Exchange.data_received
    monkeypatch.setattr(
        Exchange, "data_received", lambda self, data: parts.append(data) or received(self, data)
    )
    sent = [piece(f"word {number}") for number in range(100)] + [piece(finish="stop"), DONE]
    engine.reply(*sent, gate=Steady())
    assert serving.client(CHAT, STREAM).body == b"".join(sent)
    assert len(parts) <= exchange.AT_ONCE + 4  # the head may come by itself, the end in two


@pytest.mark.parametrize("option", [None, 9999], ids=["unknown to Python", "unknown to the kernel"])
def test_a_stream_where_no_system_can_wait_for_more(
    serving: Running, engine: SimulatedEngine, monkeypatch: pytest.MonkeyPatch, option: int | None
) -> None:
    monkeypatch.setattr(upstream, "_LOW_WATER", option)
    sent = [piece(f"word {number}") for number in range(100)] + [piece(finish="stop"), DONE]
    engine.reply(*sent, gate=Steady())
    assert serving.client(CHAT, STREAM).body == b"".join(sent)


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [piece("Hel")],
        [piece("Hel"), piece("lo"), b'data: {"choices": [{"del'],
        [piece("say data: [DONE] or"), piece('{"finish_reason":"stop"}')],
        [piece("x"), event(choices=[], model="")],
    ],
    ids=["nothing", "after a piece", "within an event", "with words like an end", "ollama's runner died"],
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_stream_ends_with_an_error(
    serving: Running, engine: SimulatedEngine, chunks: list[bytes], reset: bool
) -> None:
    engine.reply(*chunks, reset=reset)
    got = serving.client(CHAT, STREAM)
    assert got.status == 200
    *before, last = events(got.body)
    assert last["error"]["code"] == "answer_cut"
    assert b"[DONE]\n\n" not in got.body
    assert all("choices" in one for one in before)
    assert 'answers_cut_total{route="/v1/chat/completions"} 1' in serving.client("/metrics").body.decode()


def test_a_stream_that_finished_and_forgot_its_mark_gets_it(
    serving: Running, engine: SimulatedEngine
) -> None:
    engine.reply(piece("Hello"), piece(finish="stop"), usage(3, 1))
    got = serving.client(CHAT, STREAM)
    assert got.body.endswith(DONE)
    assert "error" not in events(got.body)[-1]


def test_an_event_without_an_end_is_not_kept(
    serving: Running, engine: SimulatedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launchpad.serve.stream.MAX_EVENT", 1000)
    engine.reply(endless=b"x" * 100)
    assert events(serving.client(CHAT, STREAM).body)[-1]["error"]["code"] == "bad_answer"
    assert engine.gone.wait(150)


@pytest.mark.parametrize(
    ("chunks", "cut"),
    [
        (
            [
                b"event: message_start\ndata: {}\n\n",
                b'event: message_stop\ndata: {"type": "message_stop"}\n\n',
            ],
            False,
        ),
        ([b"event: message_start\ndata: {}\n\n"], True),
    ],
)
def test_messages_end_in_their_own_way(
    serving: Running, engine: SimulatedEngine, chunks: list[bytes], cut: bool
) -> None:
    engine.reply(*chunks)
    got = serving.client("/v1/messages", {**STREAM, "max_tokens": 5})
    assert got.body.startswith(b"".join(chunks))
    assert (b"event: error" in got.body) == cut
    if cut:
        assert events(got.body)[-1] == {
            "type": "error",
            "error": {
                "type": "api_error",
                "message": "The answer was cut: the engine stopped before the end. Ask again.",
            },
        }


def test_a_whole_answer_counts_as_one_also_when_the_client_leaves_at_its_last_event(
    serving: Running, engine: SimulatedEngine
) -> None:
    engine.reply(*answer("x", prompt=7), hold=True)  # an engine that closes late
    with socket.create_connection(("127.0.0.1", serving.client.port), timeout=150) as raw:
        data = json.dumps(STREAM).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\nContent-Length: {len(data)}\r\n\r\n"
        raw.sendall(head.encode() + data)
        seen = b""
        while b"data: [DONE]\n\n" not in seen:
            seen += raw.recv(1000)
    eventually(lambda: b"launchpad_requests_total{" in serving.client("/metrics").body)
    figures = serving.client("/metrics").body.decode()
    assert 'launchpad_requests_total{route="/v1/chat/completions",model="m",status="200"} 1' in figures
    assert 'launchpad_tokens_total{model="m",kind="prompt"} 7' in figures


def response(output: int, status: str = "completed") -> dict[str, Any]:
    usage = {"input_tokens": 4090, "output_tokens": output, "total_tokens": 4090 + output}
    return {"id": "r", "object": "response", "status": status, "output": [], "usage": usage}


@pytest.mark.parametrize(
    ("asked", "output", "cut"), [(3, 3, True), (None, 6, True), (3, 2, False), (None, 5, False)],
    ids=["the limit", "the context", "below the limit", "below the context"],
)  # fmt: skip
def test_a_response_that_ran_into_a_limit_is_not_called_completed(
    serving: Running, engine: SimulatedEngine, asked: int | None, output: int, cut: bool
) -> None:
    body = {"model": "m", "input": "hi", "max_output_tokens": asked}
    engine.reply(json.dumps(response(output)).encode(), content_type="application/json")
    got = serving.client("/v1/responses", body).document
    text = event(type="response.output_text.delta", delta="event: response.completed")
    last = b"event: response.completed\n" + event(type="response.completed", response=response(output))
    for chunks in ([text, last], [text + last], [text, last[:90], last[90:]]):
        engine.replies.clear()
        engine.reply(*chunks)
        streamed = serving.client("/v1/responses", {**body, "stream": True})
        assert streamed.body.startswith(text)
        end = events(streamed.body)[-1]
        for document in (got, end["response"]):
            assert document["status"] == ("incomplete" if cut else "completed")
            assert document.get("incomplete_details") == ({"reason": "max_output_tokens"} if cut else None)
            assert document["usage"]["output_tokens"] == output
        name = f"response.{'incomplete' if cut else 'completed'}"
        assert end["type"] == name
        assert f"event: {name}\n".encode() in streamed.body.removeprefix(text)


def test_an_answer_at_once(serving: Running, engine: SimulatedEngine) -> None:
    document = {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2},
    }
    engine.reply(json.dumps(document).encode(), content_type="application/json")
    assert serving.client(CHAT, ASK).document == document
    figures = serving.client("/metrics").body.decode()
    assert 'launchpad_tokens_total{model="m",kind="prompt"} 4' in figures
    assert 'launchpad_tokens_total{model="m",kind="answer"} 2' in figures
    assert 'launchpad_requests_total{route="/v1/chat/completions",model="m",status="200"} 1' in figures


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"message": {"content": "h"}, "finish_reason": null}]}',
        b'{"choices": [',
        b"",
        b"<html>",
    ],
)
def test_an_unfinished_answer_at_once_is_an_error(
    serving: Running, engine: SimulatedEngine, body: bytes
) -> None:
    engine.reply(body, content_type="application/json")
    got = serving.client(CHAT, ASK)
    assert got.status == 502
    assert got.error["code"] in ("answer_cut", "bad_answer")


@pytest.mark.parametrize(
    ("status", "body", "wanted", "words"),
    [
        (400, {"error": {"message": "bad /home/me/.cache/x.gguf thing"}}, 400, "bad … thing"),
        (404, {"error": {"message": "File Not Found"}}, 501, "does not do this"),
        (501, {"error": {"message": "no embeddings"}}, 501, "no embeddings"),
        (501, {"error": {"message": "No vectors. Start it with `--embeddings`"}}, 501, "started: No vectors."),
        (401, {"error": {"message": "Invalid API Key"}}, 502, "refused the gateway"),
        (500, "no json", 500, "refused the request"),
        (500, {"error": 'C:\\Users\\me\\x.gguf is bad'}, 500, "… is bad"),
    ],
)  # fmt: skip
def test_errors_of_the_engine(
    serving: Running, engine: SimulatedEngine, status: int, body: Any, wanted: int, words: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    engine.reply(text.encode(), status=status, content_type="application/json")
    got = serving.client(CHAT, STREAM)
    assert got.status == wanted
    assert words in got.error["message"]
    assert b"home" not in got.body
    assert b"Users" not in got.body
    assert b"--embeddings" not in got.body


LONG = {
    "message": "request exceeds",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 6031,
    "n_ctx": 4096,
}


@pytest.mark.parametrize(
    "error", [LONG, json.dumps({"error": LONG})], ids=["llama.cpp", "ollama packs it twice"]
)
def test_too_long_a_prompt_is_an_error_with_both_numbers(
    serving: Running, engine: SimulatedEngine, error: object
) -> None:
    engine.reply(json.dumps({"error": error}).encode(), status=400, content_type="application/json")
    got = serving.client(CHAT, STREAM)
    assert (got.status, got.error["code"]) == (400, "context_length_exceeded")
    assert "4096" in got.error["message"]
    assert "6031" in got.error["message"]
    got = serving.client("/v1/messages", {**ASK, "max_tokens": 1})
    assert got.document["error"]["message"] == "prompt is too long: 6031 tokens > 4096 maximum"


def leave(port: int, body: dict[str, Any], after: bytes) -> None:
    """Ask, read until `after` has come, and close the connection."""
    data = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", port)) as raw:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\nContent-Length: {len(data)}\r\n\r\n"
        raw.sendall(head.encode() + data)
        seen = b""
        while after not in seen:
            seen += raw.recv(1000)


def test_the_engine_stops_when_the_client_leaves(serving: Running, engine: SimulatedEngine) -> None:
    engine.reply(endless=piece("x"))
    leave(serving.client.port, STREAM, b"data")
    assert engine.gone.wait(150)
    eventually(lambda: serving.gateway.pool.seats["m"].users == 0)
    assert 'status="499"' in serving.client("/metrics").body.decode()


def test_the_engine_stops_when_a_silent_client_leaves(serving: Running, engine: SimulatedEngine) -> None:
    engine.reply(piece("x"), hold=True)
    leave(serving.client.port, STREAM, b"data")
    assert engine.gone.wait(150)


def test_a_silent_engine_is_given_up(engine: SimulatedEngine, start: Start) -> None:
    engine.reply(piece("x"), hold=True)
    got = start(OneEngine(engine), stall=2.0).client(CHAT, STREAM)
    assert events(got.body)[-1]["error"]["code"] == "answer_cut"
    assert engine.gone.wait(150)


def test_an_answer_has_a_deadline(engine: SimulatedEngine, start: Start) -> None:
    engine.reply(endless=piece("x"))
    got = start(OneEngine(engine), deadline=3.0).client(CHAT, STREAM)
    assert events(got.body)[-1]["error"]["code"] == "deadline_exceeded"
    assert engine.gone.wait(150)


def test_an_engine_that_takes_no_connection(serving: Running) -> None:
    serving.loader.engine.port = 9
    assert serving.client(CHAT, STREAM).error["code"] == "engine_gone"


def test_more_requests_than_may_wait_are_turned_away(engine: SimulatedEngine, start: Start) -> None:
    gate = threading.Event()
    engine.reply(*answer("x"), gate=gate)
    running = start(OneEngine(engine), most_at_once=2)
    threads = [threading.Thread(target=running.client, args=(CHAT, STREAM)) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: running.gateway.pool.seats["m"].users == 2)
    waiting = running.client("/metrics").body.decode()
    got = running.client(CHAT, STREAM)
    gate.set()
    for thread in threads:
        thread.join()
    assert (got.status, got.error["code"], got.headers["retry-after"]) == (503, "busy", "5")
    assert 'launchpad_requests_active{model="m"} 1' in waiting
    assert 'launchpad_requests_waiting{model="m"} 1' in waiting


def test_the_list_of_models(serving: Running, engine: SimulatedEngine) -> None:
    listed = serving.client("/v1/models").document
    (one,) = listed["data"]
    assert (listed["object"], one["id"], one["context_length"], one["max_model_len"]) == (
        "list",
        "m",
        4096,
        4096,
    )
    assert one["launchpad"]["state"] == "cold"
    engine.reply(*answer("x"))
    serving.client(CHAT, STREAM)
    one = serving.client("/v1/models/auto").document
    assert (one["id"], one["launchpad"]["state"]) == ("m", "ready")
    got = serving.client("/v1/models/other")
    assert (got.status, got.error["code"]) == (404, "model_not_found")


def test_a_model_that_is_not_served(serving: Running, engine: SimulatedEngine) -> None:
    got = serving.client(CHAT, {**ASK, "model": "gpt\x1b[2J"})
    assert (got.status, got.error["code"]) == (404, "model_not_found")
    assert "There is: m." in got.error["message"]
    assert "\x1b" not in got.error["message"]
    assert engine.requests == []


def test_context_is_that_of_one_conversation() -> None:
    from msgspec.structs import replace

    (offer,) = offers_of("m")
    start = offer.plan.start
    settings = replace(start.settings, parallel=4)
    four = replace(offer, plan=replace(offer.plan, start=replace(start, settings=settings)))
    shared = replace(settings, kv_unified=True)
    unified = replace(offer, plan=replace(offer.plan, start=replace(start, settings=shared)))
    assert (offer.context, four.context, unified.context) == (4096, 1024, 4096)


def test_stopping_tells_the_client(engine: SimulatedEngine, start: Start) -> None:
    engine.reply(endless=piece("x"))
    running = start(OneEngine(engine))
    bodies: list[bytes] = []
    thread = threading.Thread(target=lambda: bodies.append(running.client(CHAT, STREAM).body))
    thread.start()
    eventually(lambda: running.gateway.pool.seats["m"].users == 1)
    time.sleep(0.1)
    running.stop()
    thread.join()
    assert events(bodies[0])[-1]["error"]["code"] == "answer_cut"
