"""The streaming client against an engine that cuts, splits and lies."""

from __future__ import annotations

import gc
import threading

import pytest

from chat.simulated_engine import DONE, SimulatedEngine, answer, event, piece, usage
from launchpad.chat.client import stream
from launchpad.chat.delta import Delta, Finish, Reasoning, Text, Usage
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.sse import MAX_EVENT
from launchpad.errors import AnswerError

HELLO = [Message("user", "hello")]


def ask(engine: SimulatedEngine, options: ChatOptions | None = None) -> list[Delta]:
    return list(
        stream(engine.endpoint, "secret-key", HELLO, options or ChatOptions(), model="m", engine="llama.cpp")
    )


def until_error(engine: SimulatedEngine, options: ChatOptions | None = None) -> tuple[str, AnswerError]:
    """The text that came before the error, and the error."""
    text = ""
    with pytest.raises(AnswerError) as caught:
        for delta in stream(engine.endpoint, "", HELLO, options or ChatOptions(), engine="llama.cpp"):
            assert isinstance(delta, Text | Reasoning)
            text += delta.text
    assert "\n" not in (caught.value.what + (caught.value.why or "") + (caught.value.hint or ""))
    return text, caught.value


def joined(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def test_an_answer_with_usage(engine: SimulatedEngine) -> None:
    engine.reply(*answer("Hel", "lo", prompt=7))
    assert ask(engine) == [
        Text("Hel"),
        Text("lo"),
        Finish(reason="stop", usage=Usage(prompt=7, completion=2)),
    ]


def test_the_request_holds_what_was_asked_and_nothing_that_drops_context(engine: SimulatedEngine) -> None:
    engine.reply(*answer("ok"))
    schema = {"type": "json_object"}
    ask(
        engine,
        ChatOptions(temperature=0.0, seed=7, max_tokens=5, stop=("a",), response_format=schema, think=False),
    )
    assert engine.requests == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hello"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.0,
            "seed": 7,
            "max_tokens": 5,
            "stop": ["a"],
            "response_format": schema,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]
    assert engine.headers[0]["Authorization"] == "Bearer secret-key"
    assert engine.headers[0]["Accept-Encoding"] == "identity"


def test_proxies_never_see_a_prompt(engine: SimulatedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    engine.reply(*answer("ok"))
    assert joined(ask(engine)) == "ok"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_bytes_may_be_split_anywhere(engine: SimulatedEngine, newline: bytes) -> None:
    raw = b": ping\n\nevent: message\nid: 1\n" + b"".join([piece("né😀"), piece(" ok", finish="stop"), DONE])
    raw = raw.replace(b"\n", newline)
    engine.reply(raw)
    whole = ask(engine)
    assert joined(whole) == "né😀 ok"
    for cut in range(1, len(raw)):
        engine.replies.clear()
        engine.reply(raw[:cut], raw[cut:])
        assert ask(engine) == whole


def test_reasoning_under_both_names(engine: SimulatedEngine) -> None:
    engine.reply(piece(reasoning_content="hm"), piece(reasoning="m"), *answer("42"))
    assert ask(engine)[:3] == [Reasoning("hm"), Reasoning("m"), Text("42")]


def test_think_tags_in_the_text_become_reasoning(engine: SimulatedEngine) -> None:
    engine.reply(*answer("<th", "ink>hm", "m</thi", "nk>\n\n", "42"))
    deltas = ask(engine)
    assert [delta for delta in deltas if isinstance(delta, Reasoning)] == [Reasoning("hm"), Reasoning("m")]
    assert joined(deltas) == "42"


def test_tags_of_an_engine_that_reports_reasoning_are_text(engine: SimulatedEngine) -> None:
    engine.reply(piece(reasoning_content="hm"), *answer("<think>", " is a tag"))
    assert ask(engine)[:3] == [Reasoning("hm"), Text("<think>"), Text(" is a tag")]


def test_engine_timings_are_used(engine: SimulatedEngine) -> None:
    timings = {"prompt_n": 100, "prompt_ms": 500.0, "predicted_n": 11, "predicted_ms": 2000.0}
    engine.reply(piece("x", finish="stop"), usage(100, 11, timings=timings), DONE)
    finish = ask(engine)[-1]
    assert isinstance(finish, Finish)
    assert finish.timings is not None
    assert (finish.timings.prefill_speed, finish.timings.decode_speed) == (200.0, 5.0)


def test_a_finish_reason_without_done_is_an_end(engine: SimulatedEngine) -> None:
    engine.reply(piece("x"), piece(finish="length"))
    assert ask(engine)[-1] == Finish(reason="length")


def test_done_without_a_finish_reason_is_an_end(engine: SimulatedEngine) -> None:
    engine.reply(piece("x"), DONE)
    assert ask(engine)[-1] == Finish(reason="stop")


@pytest.mark.parametrize(
    "last",
    [(), (piece(""),), (b'data: {"choices":[{"delta":{"content":"lost',), (usage(0, 0),)],
    ids=["nothing", "empty delta", "half an event", "empty usage"],
)
def test_a_stream_without_an_end_is_a_cut(engine: SimulatedEngine, last: tuple[bytes, ...]) -> None:
    engine.reply(piece("par"), piece("tial"), *last)
    text, error = until_error(engine)
    assert text == "partial"
    assert error.what == "The answer was cut."
    assert error.exit_code == 6
    assert "llama.cpp" in str(error)


def test_a_broken_connection_is_a_cut(engine: SimulatedEngine) -> None:
    engine.reply(piece("partial"), reset=True)
    engine.reply(piece("partial"), piece("<th"), reset=True)
    assert until_error(engine)[1].what == "The answer was cut."


def test_text_held_back_for_a_tag_is_not_lost(engine: SimulatedEngine) -> None:
    engine.reply(piece("<thi"))
    assert until_error(engine)[0] == "<thi"


def test_an_error_in_the_stream(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"), event(error={"message": "slot \x1b[2J died", "code": 500}), *answer("never"))
    text, error = until_error(engine)
    assert text == "par"
    assert error.why == "slot ␛[2J died"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"data: <html>\n\n", "Not JSON: <html>"),
        (b"data: [1]\n\n", "Not an object: [1]"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "Not JSON: [[[["),
        (b"data: " + b"x" * (MAX_EVENT + 1), "exceeded"),
    ],
    ids=["html", "array", "deep", "huge"],
)
def test_nonsense_is_an_error(engine: SimulatedEngine, data: bytes, why: str) -> None:
    engine.reply(piece("par"), data)
    text, error = until_error(engine)
    assert text == "par"
    assert why in (error.why or "")


@pytest.mark.parametrize(
    "fields",
    [
        {"choices": 3},
        {"choices": [None]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"content": 5, "reasoning": []}, "finish_reason": 7}]},
        {
            "choices": [],
            "usage": {"prompt_tokens": -1, "completion_tokens": True},
            "timings": {"predicted_n": "x"},
        },
    ],
)
def test_wrong_types_count_as_absent(engine: SimulatedEngine, fields: dict[str, object]) -> None:
    engine.reply(event(**fields), *answer("ok"))
    assert joined(ask(engine)) == "ok"


def test_surrogates_from_json_can_be_encoded(engine: SimulatedEngine) -> None:
    engine.reply(
        b'data: {"choices":[{"delta":{"content":"\\ud83d\\ude00 \\ud800"},"finish_reason":"stop"}]}\n\n'
    )
    assert joined(ask(engine)) == "😀 \ufffd"


TOO_LONG = {
    "llama.cpp": b'{"error":{"code":400,"message":"request (931 tokens) exceeds the available context size (512 tokens),'
    b' try increasing it","type":"exceed_context_size_error","n_prompt_tokens":931,"n_ctx":512}}',
    "ollama": rb'{"error":"{\"error\":{\"code\":400,\"message\":\"request (931 tokens) exceeds the available context size'
    rb' (512 tokens)\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":931,\"n_ctx\":512}}"}',
    "ollama /v1": rb'{"error":{"message":"{\"error\":{\"message\":\"request (931 tokens) exceeds the available context'
    rb' size (512 tokens)\",\"n_prompt_tokens\":931,\"n_ctx\":512}}","type":"invalid_request_error"}}',
    "vllm": b'{"error":{"message":"This model\'s maximum context length is 512 tokens. However, you requested 931 tokens'
    b' (900 in the messages, 31 in the completion).","type":"BadRequestError","code":400}}',
    "older vllm": b'{"object":"error","message":"This model\'s maximum context length is 512 tokens. However, your request'
    b' has 931 input tokens.","code":400}',
}


@pytest.mark.parametrize("body", TOO_LONG.values(), ids=TOO_LONG)
def test_a_prompt_that_is_too_long_shows_both_numbers(engine: SimulatedEngine, body: bytes) -> None:
    engine.reply(body, status=400, content_type="application/json")
    _, error = until_error(engine)
    assert error.why == "It needs 931 tokens; the context holds 512."
    assert "--context 1024, if the model can have it" in (error.hint or "")
    assert "/clear" in (error.hint or "")


@pytest.mark.parametrize(
    ("status", "body", "what", "why"),
    [
        (401, b'{"error":{"message":"Invalid API Key"}}', "The engine refused the key.", "Invalid API Key"),
        (503, b'{"error":{"message":"Loading model"}}', "The engine is busy.", "Loading model"),
        (500, b"Internal\nServer \x1bError", "The engine reported an error.", "Internal Server ␛Error"),
        (404, b"", "The engine reported an error.", "status 404"),
        (500, b'{"error":null}', "The engine reported an error.", "status 500"),
        (500, b"x" * 5_000_000, "The engine reported an error.", "…"),
        (302, b"", "The engine reported an error.", "status 302"),
        (
            502,
            b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>",
            "The engine reported an error.",
            "502 Bad Gateway",
        ),
        (
            500,
            b"<!DOCTYPE HTML><style>b {x: y}</style><title>Oops</title><p>",
            "The engine reported an error.",
            "Oops",
        ),
        (500, b"<html><style>", "The engine reported an error.", "status 500"),
    ],
)
def test_error_statuses(engine: SimulatedEngine, status: int, body: bytes, what: str, why: str) -> None:
    engine.reply(body, status=status, content_type="application/json")
    _, error = until_error(engine)
    assert error.what == what
    assert why in (error.why or "")
    assert "<" not in (error.why or "")
    assert len(error.why or "") < 400


def test_a_page_instead_of_a_stream(engine: SimulatedEngine) -> None:
    engine.reply(b"<html>portal</html>", content_type="text/html")
    assert "text/html" in (until_error(engine)[1].why or "")


def test_nothing_listens() -> None:
    with pytest.raises(AnswerError) as caught:
        next(stream("http://127.0.0.1:1/v1", "", HELLO, ChatOptions(), engine="llama.cpp"))
    assert caught.value.what == "llama.cpp does not answer."
    assert "127.0.0.1:1" in (caught.value.why or "")


def test_a_silent_engine_is_left_after_the_stall_limit(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"), hold=True)
    text, error = until_error(engine, ChatOptions(stall=3))
    assert text == "par"
    assert "3 s" in (error.why or "")
    assert engine.gone.wait(150)


def test_closing_the_iterator_stops_the_engine(engine: SimulatedEngine) -> None:
    engine.reply(piece("first"), endless=piece("more"))
    deltas = stream(engine.endpoint, "", HELLO, ChatOptions())
    assert next(deltas) == Text("first")
    deltas.close()
    assert engine.gone.wait(150)


def test_no_thread_or_connection_is_left(engine: SimulatedEngine) -> None:
    threads = set(threading.enumerate())
    engine.reply(*answer("ok"))
    ask(engine)
    gc.collect()  # an unclosed socket would warn, and warnings are errors
    assert all(thread.daemon for thread in set(threading.enumerate()) - threads)
