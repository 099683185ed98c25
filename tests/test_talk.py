from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from launchpad import AsyncChat, Chat
from launchpad.chat.delta import Delta, Finish, Reasoning, Text, ToolCall
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError, UsageError
from script.conftest import Scripted


def last(messages: Sequence[Message]) -> Any:
    return messages[-1].content.upper()


def test_a_conversation_remembers_and_is_always_stopped() -> None:
    model = Scripted(last)
    with Chat(answerer=model, system="s", seed=7, temperature=0) as chat:
        first = chat.ask("one")
        assert (str(first), first.text, first.finish_reason) == ("ONE", "ONE", "stop")
        assert first.usage is not None
        assert first.usage.total == 8
        chat.ask("two", max_tokens=5)
        assert chat.messages == [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "ONE"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "TWO"},
        ]
    options = model.asked[1][1]
    assert (options.seed, options.temperature, options.max_tokens) == (7, 0, 5)
    assert model.begun == model.closed == 1


def test_it_is_stopped_when_the_block_fails() -> None:
    model = Scripted(last)
    with pytest.raises(ZeroDivisionError), Chat(answerer=model):
        1 / 0  # noqa: B018
    assert model.closed == 1


def test_a_failed_answer_leaves_the_conversation_as_it_was() -> None:
    chat = Chat(answerer=Scripted(lambda messages: ["half", AnswerError("cut")]))
    with pytest.raises(AnswerError, match="cut"):
        chat.ask("x")
    assert chat.messages == []
    assert chat.last is None


def test_json_by_schema() -> None:
    answers = iter(["no json", '["Rhine"]'])
    chat = Chat(answerer=Scripted(lambda messages: next(answers)))
    assert chat.ask("rivers", schema={"type": "array", "items": {"type": "string"}}).json == ["Rhine"]
    chat.stop()
    with pytest.raises(AnswerError, match="not JSON"):
        _ = Chat(answerer=Scripted(last)).ask("x").json


def test_streaming_and_leaving_early() -> None:
    thoughts: list[str] = []
    chat = Chat(answerer=Scripted(lambda messages: [Reasoning("hm"), "a", "b"]))
    assert list(chat.stream("x", on_reasoning=thoughts.append)) == ["a", "b"]
    assert thoughts == ["hm"]
    assert chat.last is not None
    assert chat.last.text == "ab"
    for _ in chat.stream("y"):
        break
    assert [message["content"] for message in chat.messages] == ["x", "ab"]


def test_a_fork_has_a_future_of_its_own_and_does_not_stop_the_engine() -> None:
    model = Scripted(last)
    chat = Chat(answerer=model, system="s")
    chat.ask("one")
    branch = chat.fork()
    branch.ask("two")
    branch.stop()
    assert model.closed == 0
    assert len(chat.messages) == 3
    assert len(branch.messages) == 5


def test_a_saved_conversation_can_be_exported(tmp_path: Path) -> None:
    from launchpad.script.export import export

    chat = Chat(answerer=Scripted(last))
    chat.ask("one")
    chat.save(tmp_path / "t.jsonl")
    assert json.loads(export(tmp_path / "t.jsonl", "openai-chat")) == {"messages": chat.messages}


def test_pictures_are_read_and_checked(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n rest")
    model = Scripted(last)
    Chat(answerer=model).ask("what is it?", images=[picture])
    assert len(model.asked[0][0][0].images) == 1
    (tmp_path / "x.png").write_text("no picture")
    for wrong in ("x.png", "none.png"):
        with pytest.raises(UsageError):
            Chat(answerer=model).ask("x", images=[tmp_path / wrong])


def test_an_option_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="temprature"):
        Chat(temprature=1)


# -- tools --------------------------------------------------------------------------------------------------------


def weather(city: str, unit: Literal["C", "F"] = "C") -> dict[str, object]:
    """The weather in a city.

    More that the model need not know.
    """
    return {"city": city, "degrees": 20, "unit": unit}


def using(*calls: ToolCall) -> Scripted:
    """A model that makes these calls, one after the other, and then repeats what the tools said."""
    left = list(calls)

    class Caller(Scripted):
        def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
            self.asked.append((tuple(messages), options))
            if left:
                yield left.pop(0)
                yield Finish(reason="tool_calls")
            else:
                yield Text(messages[-1].content)
                yield Finish(reason="stop")

    return Caller(last)


def test_a_model_calls_the_functions_that_were_named() -> None:
    model = using(ToolCall(name="weather", arguments={"city": "Bonn"}, id="c1"))
    chat = Chat(answerer=model, tools=[weather])
    assert chat.ask("weather?").json == {"city": "Bonn", "degrees": 20, "unit": "C"}
    described = model.asked[0][1].tools[0]["function"]
    assert described["name"] == "weather"
    assert described["description"] == "The weather in a city."
    assert described["parameters"]["required"] == ["city"]
    assert described["parameters"]["properties"]["unit"]["enum"] == ["C", "F"]
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "tool", "assistant"]
    assert chat.messages[2]["tool_call_id"] == "c1"


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (ToolCall(name="rm", arguments={}), "there is no tool"),
        (ToolCall(name="weather", arguments={}), "wrong arguments"),
        (ToolCall(name="weather", arguments={"city": "x", "evil": 1}), "wrong arguments"),
        (ToolCall(name="weather", arguments={"city": "x", "unit": "K"}), "wrong arguments"),
        (ToolCall(name="broken", arguments={}), "ZeroDivisionError"),
    ],
)
def test_what_a_tool_cannot_do_is_told_to_the_model(call: ToolCall, word: str) -> None:
    def broken() -> None:
        1 / 0  # noqa: B018

    chat = Chat(answerer=using(call), tools=[weather, broken])
    assert word in chat.ask("x").json["error"]


def test_calls_without_end_are_ended() -> None:
    chat = Chat(answerer=using(*[ToolCall(name="weather", arguments={"city": "x"})] * 20), tools=[weather])
    with pytest.raises(AnswerError, match="without end"):
        chat.ask("x")


def test_a_function_that_cannot_be_described_is_refused() -> None:
    def bare(x):  # type: ignore[no-untyped-def]
        pass

    def stars(*x: int) -> None:
        pass

    def odd(x: threading.Thread) -> None:
        pass

    for function in (bare, stars, odd):
        with pytest.raises(UsageError, match="cannot be a tool"):
            Chat(tools=[function])


# -- asyncio ------------------------------------------------------------------------------------------------------


def test_async() -> None:
    model = Scripted(last)

    async def talk() -> list[str]:
        async with AsyncChat(answerer=model) as chat:
            assert str(await chat.ask("one")) == "ONE"
            assert [piece async for piece in chat.stream("two")] == ["TWO"]
            branch = chat.fork()
            await branch.ask("three")
            return [message["content"] for message in chat.messages]

    assert asyncio.run(talk()) == ["one", "ONE", "two", "TWO"]
    assert model.closed == 1


def test_a_cancelled_task_stops_its_answer_and_the_engine() -> None:
    started, gone = threading.Event(), threading.Event()

    class Slow(Scripted):
        def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
            yield Text("a")
            started.set()
            assert gone.wait(150)
            raise AnswerError("cut")

    async def talk() -> None:
        async with AsyncChat(answerer=Slow(last)) as chat:
            chat._chat.cancel = gone.set  # type: ignore[method-assign]
            task = asyncio.create_task(chat.ask("one"))
            await asyncio.to_thread(started.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(talk())
    assert gone.is_set()
