"""The OpenAI-compatible side of a real Ollama, as recorded: for servers that are only spoken to there."""

from __future__ import annotations

import pytest

from launchpad.chat.client import stream
from launchpad.chat.delta import Delta, Finish, Text, ToolCall
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError
from launchpad.testing.replay import Chunks, Replay, in_bytes, in_one
from ollama_traffic import exchanges

ANY_SPLIT = pytest.mark.parametrize(
    "split", [lambda chunks: chunks, in_bytes, in_one], ids=["as recorded", "bytes", "one"]
)


def ask(replay: Replay) -> list[Delta]:
    said = [Message("user", "hello")]
    return list(stream(f"{replay.endpoint}/v1", "", said, ChatOptions(), model="smol", engine="Ollama"))


def streamed(name: str, index: int = 0) -> list[object]:
    found = [
        x for x in exchanges(name, "/v1/chat/completions") if (x["request"].get("json") or {}).get("stream")
    ]
    return found[index : index + 1]


@ANY_SPLIT
def test_a_whole_answer(split: Chunks) -> None:
    with Replay(streamed("v1-chat"), split=split) as replay:  # type: ignore[arg-type]
        deltas = ask(replay)
    assert any(isinstance(delta, Text) for delta in deltas)
    assert isinstance(deltas[-1], Finish)


@ANY_SPLIT
@pytest.mark.parametrize("name", ["runner-killed-v1", "repeat-abort"])
def test_rules_1_and_2_a_stream_that_ends_properly_without_an_end_is_cut(name: str, split: Chunks) -> None:
    traffic = streamed(name)
    assert traffic[0]["response"]["end"] == "complete"  # type: ignore[index]
    with Replay(traffic, split=split) as replay, pytest.raises(AnswerError) as caught:  # type: ignore[arg-type]
        ask(replay)
    assert (caught.value.exit_code, caught.value.retryable) == (6, True)
    assert "without a finish reason" in (caught.value.why or "")


@ANY_SPLIT
def test_rule_17_a_call_of_a_tool_has_its_arguments_as_text_here(split: Chunks) -> None:
    with Replay(streamed("v1-tools"), split=split) as replay:  # type: ignore[arg-type]
        deltas = ask(replay)
    call, finish = deltas[-2:]
    assert isinstance(call, ToolCall)
    assert isinstance(call.arguments, dict)
    assert isinstance(finish, Finish)
    assert finish.reason == "tool_calls"


def test_rule_16_reasoning_has_a_field_of_its_own() -> None:
    with Replay(streamed("chat-think")) as replay:  # type: ignore[arg-type]
        deltas = ask(replay)
    assert not any(isinstance(delta, Text) for delta in deltas)
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "stop"
