"""The native chat client against recordings of a real Ollama, cut anywhere. The rules: docs/reference/ollama.md."""

from __future__ import annotations

import threading

import pytest

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, ToolCall
from launchpad.chat.dialect import stream_from
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError
from launchpad.testing.processes import eventually
from launchpad.testing.replay import Chunks, Replay, in_bytes, in_one
from ollama_traffic import exchanges, only, recording, says, server_at

HELLO = [Message("user", "hello")]
ANY_SPLIT = pytest.mark.parametrize(
    "split", [lambda chunks: chunks, in_bytes, in_one], ids=["as recorded", "bytes", "one"]
)


def ask(replay: Replay, options: ChatOptions | None = None, **server: object) -> list[Delta]:
    return list(stream_from(server_at(replay, **server), HELLO, options or ChatOptions()))


def until_error(replay: Replay, **server: object) -> tuple[str, AnswerError]:
    text = ""
    with pytest.raises(AnswerError) as caught:
        for delta in stream_from(server_at(replay, **server), HELLO, ChatOptions()):
            text += delta.text if isinstance(delta, Text) else ""
    error = caught.value
    assert error.why
    assert "\n" not in error.what + error.why + (error.hint or "")
    return text, error


def joined(deltas: list[Delta], kind: type = Text) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


def refused(name: str, index: int) -> AnswerError:
    with Replay(only(name, index)) as replay:
        return until_error(replay)[1]


@ANY_SPLIT
def test_a_stream_with_counts_and_timings(split: Chunks) -> None:
    with Replay(recording("chat-stream"), split=split) as replay:
        deltas = ask(replay)
    last = recording("chat-stream")["exchanges"][0]["response"]["chunks"][-1]["text"]
    finish = deltas[-1]
    assert isinstance(finish, Finish)
    assert finish.usage is not None
    assert finish.timings is not None
    assert f'"prompt_eval_count":{finish.usage.prompt},' in last
    assert f'"eval_count":{finish.usage.completion},' in last
    assert finish.timings.decode_speed is not None
    assert 1 < finish.timings.decode_speed < 1000
    assert finish.timings.prefill_speed is None  # the count has tokens from the cache in it
    assert joined(deltas)


def test_the_request_fixes_the_context_and_forbids_every_silent_cut() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    options = ChatOptions(
        temperature=0.0, top_k=3, seed=7, max_tokens=5, stop=("x",), think=False,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
        tools=({"type": "function", "function": {"name": "f"}},),
    )  # fmt: skip
    with Replay(recording("chat-stream")) as replay:
        ask(replay, options)
        (body,) = replay.asked("/api/chat")
    assert body == {
        "model": "smol",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "truncate": False,
        "shift": False,
        "keep_alive": "30m",
        "think": False,
        "format": schema,
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "options": {
            "num_ctx": 2048,
            "temperature": 0.0,
            "top_k": 3,
            "seed": 7,
            "num_predict": 5,
            "stop": ["x"],
        },
    }


def test_images_and_answers_of_tools_are_written_as_ollama_reads_them() -> None:
    call = ToolCall(name="get_weather", arguments={"city": "Rome"}, id="call_1")
    said = [
        Message("user", "What is it?", images=("aGk=",)),
        Message("assistant", "", calls=(call,)),
        Message("tool", "Sunny.", tool="get_weather", call="call_1"),
    ]
    with Replay(recording("chat-stream")) as replay:
        list(stream_from(server_at(replay), said, ChatOptions()))
        (body,) = replay.asked("/api/chat")
    assert body["messages"] == [
        {"role": "user", "content": "What is it?", "images": ["aGk="]},
        {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "get_weather", "arguments": {"city": "Rome"}}}]},
        {"role": "tool", "content": "Sunny.", "tool_name": "get_weather"},
    ]  # fmt: skip


@pytest.mark.parametrize(("schema", "written"), [({"type": "json_object"}, "json"), ({"type": "text"}, None)])
def test_plain_json(schema: dict[str, str], written: str | None) -> None:
    with Replay(recording("chat-stream")) as replay:
        ask(replay, ChatOptions(response_format=schema))
        assert replay.asked("/api/chat")[0].get("format") == written


# -- rule 1: a stream can end cleanly without an end ---------------------------------------------------------------


@ANY_SPLIT
def test_rule_1_a_runner_that_dies_is_a_cut_answer(split: Chunks) -> None:
    lines = [
        {"message": {"content": "Hel"}, "done": False},
        {"error": "an error was encountered while running the model: unexpected EOF"},
    ]
    with Replay([says("/api/chat", lines)], split=split) as replay:
        text, error = until_error(replay)
    assert text == "Hel"
    assert (error.exit_code, error.retryable) == (6, True)
    assert "died" in error.what


def test_rule_1_the_recorded_death_of_a_runner_is_a_cut_answer() -> None:
    source = recording("runner-killed")["exchanges"][0]
    chat = {**source, "request": {**source["request"], "path": "/api/chat"}}
    with Replay([chat]) as replay:
        _, error = until_error(replay)
    assert (error.exit_code, error.retryable) == (6, True)
    assert "unexpected EOF" in (error.why or "")


def test_an_error_does_not_name_what_was_made_for_one_launch() -> None:
    with Replay(only("not-found", 0)) as replay:
        _, error = until_error(replay, model="launchpad/smol-latest:ctx4096-5bce98f7-10378-3313872")
    assert error.what == "Ollama has no model smol-latest."


def test_rule_1_a_stream_without_its_last_line_is_a_cut_answer() -> None:
    with Replay([says("/api/chat", [{"message": {"content": "Hel"}, "done": False}])]) as replay:
        text, error = until_error(replay)
    assert (text, error.what) == ("Hel", "The answer was cut.")


@pytest.mark.parametrize("name", ["sigterm-stream", "sigkill-server"])
def test_rule_12_a_server_that_goes_is_a_cut_answer(name: str) -> None:
    source = recording(name)["exchanges"][0]
    chat = {**source, "request": {**source["request"], "path": "/api/chat"}}
    with Replay([chat]) as replay:
        _, error = until_error(replay)
    assert error.what == "The answer was cut."


# -- rule 2: the repeat guard --------------------------------------------------------------------------------------


@ANY_SPLIT
def test_rule_2_a_model_that_repeats_itself_is_named_as_the_cause(split: Chunks) -> None:
    with Replay(exchanges("repeat-abort", "/api/chat")[:1], split=split) as replay:
        text, error = until_error(replay)
    assert text.startswith("la la la")
    assert error.why is not None
    assert "over and over" in error.why
    assert "--temperature" in (error.hint or "")


# -- rule 3: prompts that are too long -----------------------------------------------------------------------------


def test_rule_3_a_prompt_that_would_be_cut_is_refused_with_both_numbers() -> None:
    error = refused("prompt-too-long", 3)
    assert error.why == "It needs 2109 tokens; the context holds 256."
    assert "--context" in (error.hint or "")


# -- the other refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "index", "what", "hint"),
    [
        ("not-found", 0, "has no model smol", "launchpad pull"),
        ("arch-unsupported", 2, "cannot read the architecture", "Update Ollama"),
        ("blob-gone", 3, "has no model smol", "launchpad pull"),
        ("chat-tools-unsupported", 0, "cannot do what was asked", "--needs tools"),
        ("chat-think-unsupported", 0, "cannot do what was asked", "Leave that out"),
        ("chat-image-unsupported", 0, "cannot do what was asked", "vision"),
        ("chat-format", 2, "cannot use the format", "JSON Schema"),
        ("synthetic-load-oom", 0, "not enough memory", "--context"),
        ("synthetic-load-timeout", 0, "did not load in the time", "OLLAMA_LOAD_TIMEOUT"),
    ],
)
def test_each_error_is_one_line_with_cause_and_fix(name: str, index: int, what: str, hint: str) -> None:
    error = refused(name, index)
    assert what in error.what
    assert error.why is not None
    assert error.why.startswith("Ollama says: ")
    assert hint in (error.hint or "")


def test_rule_13_busy_is_said_and_can_be_tried_again() -> None:
    busy = next(
        x for x in exchanges("busy-v1", "/api/chat") if x["response"] and x["response"]["status"] == 503
    )
    with Replay([busy]) as replay:
        _, error = until_error(replay)
    assert (error.what, error.retryable) == ("The Ollama server is busy.", True)


def test_rule_18_a_foreign_name_is_refused_without_a_word_and_explained() -> None:
    with Replay([says("/api/chat", "", status=403)]) as replay:
        body = replay._exchanges[0]["response"]["chunks"][0]  # real 403s have an empty body
        body["text"] = ""
        _, error = until_error(replay)
    assert "OLLAMA_HOST" in (error.hint or "")
    assert any(x["response"]["status"] == 403 for x in recording("origin")["exchanges"])


# -- rules 16, 17: thinking and tools ------------------------------------------------------------------------------


@ANY_SPLIT
def test_rule_16_thoughts_are_told_apart(split: Chunks) -> None:
    with Replay(only("chat-think", 0), split=split) as replay:
        deltas = ask(replay)
    assert joined(deltas, Reasoning).strip() == "Four and four is eight."
    assert joined(deltas) == "8"


def test_rule_16_a_model_that_cannot_think_is_not_asked_to() -> None:
    with Replay(recording("chat-stream")) as replay:
        ask(replay, ChatOptions(think=True), abilities=("completion",))
        ask(replay, ChatOptions(think=True), abilities=("completion", "thinking"))
        ask(replay, ChatOptions(think=True))
        assert [body.get("think") for body in replay.asked("/api/chat")] == [None, True, True]


@ANY_SPLIT
def test_rule_17_a_call_of_a_tool_comes_whole(split: Chunks) -> None:
    with Replay(only("chat-tools", 1), split=split) as replay:
        call, finish = ask(replay)
    assert call == ToolCall(name="get_weather", arguments={"city": "Paris"}, id=call.id)  # type: ignore[union-attr]
    assert isinstance(finish, Finish)


# -- the connection ------------------------------------------------------------------------------------------------


def test_closing_the_iterator_closes_the_connection() -> None:
    chat = says("/api/chat", [{"message": {"content": "on and "}, "done": False}])
    chat["response"]["end"] = "client_closed"  # it goes on until the client leaves
    before = threading.active_count()
    with Replay([chat]) as replay:
        deltas = stream_from(server_at(replay), HELLO, ChatOptions())
        for _ in deltas:
            break
        deltas.close()
    eventually(lambda: threading.active_count() <= before)


def test_an_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.chat.ollama.MAX_EVENT", 1000)
    endless = says("/api/chat", [{"message": {"content": "x" * 200}}] * 20)
    for chunk in endless["response"]["chunks"]:
        chunk["text"] = chunk["text"].strip()
    with Replay([endless]) as replay:
        _, error = until_error(replay)
    assert error.what == "The engine sent a broken answer."


@pytest.mark.parametrize("line", ["nonsense", "[1]", "3"])
def test_what_is_no_line_of_ollamas_is_an_error(line: str) -> None:
    broken = says("/api/chat", [0])
    broken["response"]["chunks"][0]["text"] = f"{line}\n"
    with Replay([broken]) as replay:
        _, error = until_error(replay)
    assert error.what == "The engine sent a broken answer."


def test_no_server() -> None:
    with Replay([]) as replay:
        server = server_at(replay)
    with pytest.raises(AnswerError, match="does not answer"):
        list(stream_from(server, HELLO, ChatOptions()))


def test_proxies_never_see_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Replay(recording("chat-stream")) as replay:
        assert joined(ask(replay))
