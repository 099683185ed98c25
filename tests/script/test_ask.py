from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from launchpad.chat.delta import Delta, Finish, Reasoning, Text
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError
from launchpad.script.ask import FailedAnswer, Limits, Wanted, ask
from launchpad.script.model import JsonSchema
from launchpad.script.referee import RealReferee
from script.conftest import NoReferee, Scripted

QUESTION = (Message("user", "hi"),)
OBJECT = Wanted(format="json_object")
SCHEMA = Wanted(
    format="json_schema",
    schema=JsonSchema(schema={"type": "object", "required": ["a"]}, name="n", strict=False),
)


def put(
    answerer: Any,
    wanted: Wanted | None = None,
    limits: Limits | None = None,
    referee: Any = None,
    options: ChatOptions | None = None,
) -> Any:
    options = options or ChatOptions(seed=7)
    return ask(answerer, QUESTION, options, wanted or Wanted(), limits or Limits(), referee or NoReferee())


def test_an_answer_and_its_figures() -> None:
    answer = put(Scripted(lambda messages: [Reasoning("hm"), "Hel", "lo"]))
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("Hello", "hm", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.tries) == (3, 5, 1)
    assert answer.first_token is not None
    assert answer.milliseconds >= answer.first_token


def test_what_came_before_an_error_is_kept() -> None:
    with pytest.raises(FailedAnswer) as caught:
        put(Scripted(lambda messages: ["half", AnswerError("cut")]))
    assert caught.value.answer.text == "half"
    assert caught.value.error.what == "cut"


def test_the_engine_is_asked_for_the_form() -> None:
    model = Scripted(lambda messages: '{"a": 1}')
    put(model, OBJECT)
    put(model, SCHEMA, referee=RealRefereeOnce())
    assert model.asked[0][1].response_format == {"type": "json_object"}
    assert model.asked[1][1].response_format == {
        "type": "json_schema",
        "json_schema": {"name": "n", "strict": False, "schema": {"type": "object", "required": ["a"]}},
    }


class RealRefereeOnce(NoReferee):
    """Validates without a child process of its own to close."""

    def violation(self, schema: Any, value: Any) -> str | None:
        referee = RealReferee(lambda *_: "")
        try:
            return referee.violation(schema, value)
        finally:
            referee.close()


def test_wrong_json_is_asked_for_again_with_the_next_seed_and_good_advice() -> None:
    answers = iter(["no json", '{"b": 1}', '{"a": 1}'])
    model = Scripted(lambda messages: next(answers))
    answer = put(model, SCHEMA, referee=RealRefereeOnce())
    assert (answer.text, answer.tries) == ('{"a": 1}', 3)
    assert [options.seed for _, options in model.asked] == [7, 8, 9]
    assert [messages[-1].content.count("compact JSON") for messages, _ in model.asked] == [0, 1, 1]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (["nothing"], "not JSON"),
        (["[1]"], "no JSON object"),
        (['{"a": ', Finish(reason="length")], "limit of tokens"),
        (["{", *[" \n"] * 200, "}"], "nothing but blanks"),
        (["{", *['"x", '] * 800], "repeats itself"),
    ],
)
def test_after_three_tries_it_is_an_error_with_the_raw_text(answer: list[Any], why: str) -> None:
    model = Scripted(lambda messages: answer)
    with pytest.raises(FailedAnswer, match="not the JSON") as caught:
        put(model, OBJECT)
    assert len(model.asked) == 3
    assert why in (caught.value.error.why or "")
    assert caught.value.answer.text.startswith(answer[0][:2])


def test_blanks_end_the_turn_at_once() -> None:
    sent: list[str] = []

    def endless(messages: Sequence[Message]) -> list[Any]:
        sent.append("asked")
        return [" "] * 100_000

    with pytest.raises(FailedAnswer) as caught:
        put(Scripted(endless), OBJECT)
    assert len(caught.value.answer.text) < 1_000


def test_blanks_of_a_slow_engine_end_the_turn_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.script.ask.MOST_BLANK_SECONDS", 0.0)  # as if every piece took so long
    model = Scripted(lambda messages: ["{", *[" "] * 100, "}"])
    with pytest.raises(FailedAnswer) as caught:
        put(model, OBJECT)
    assert len(caught.value.answer.text) == 1 + 17
    indented = Scripted(lambda messages: ["{", *["\n"] * 16, '"a":', *[" "] * 16, "1}"])
    assert put(indented, OBJECT).tries == 1


def test_json_without_end_is_cut_where_no_limit_was_given() -> None:
    model = Scripted(lambda messages: ["{", *(f'"k{number}": {number}, ' for number in range(5_000))])
    with pytest.raises(FailedAnswer) as caught:
        put(model, OBJECT)
    assert "had not ended after 2,048 tokens, the most where maxTokens is not given" in str(
        caught.value.error
    )
    assert caught.value.answer.text.count(":") == 2_048
    assert len(model.asked) == 3
    whole = Scripted(
        lambda messages: ["{", *(f'"k{number}": {number}, ' for number in range(3_000)), '"a": 1}']
    )
    assert put(whole, OBJECT, options=ChatOptions(max_tokens=100_000)).tries == 1
    thinks = Scripted(lambda messages: [*map(Reasoning, map(str, range(5_000))), '{"a": 1}'])
    assert put(thinks, OBJECT).tries == 1


def test_an_answer_that_repeats_itself_is_stopped() -> None:
    with pytest.raises(FailedAnswer, match="repeats itself") as caught:
        put(Scripted(lambda messages: ["again and "] * 100_000))
    assert len(caught.value.answer.text) < 5_000


class Slow:
    """Sends `before`, then nothing until it is cancelled."""

    model = identity = "slow"

    def __init__(self, before: Sequence[str]) -> None:
        self.before = before
        self.cancelled = threading.Event()

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        for text in self.before:
            yield Text(text)
        assert self.cancelled.wait(150)
        yield Finish(reason="stop")

    def cancel(self, reader: int) -> None:
        self.cancelled.set()


@pytest.mark.parametrize(
    ("before", "limits", "why"),
    [
        ([], Limits(first=0.05), "no token came"),
        (["a"], Limits(first=10, stall=0.05), "nothing came for"),
        (["a"], Limits(turn=1), "turn took longer"),
        ([], Limits(deadline=0.0), "time of the case or run"),
    ],
)
def test_each_limit_ends_the_turn_and_cancels_the_request(
    before: list[str], limits: Limits, why: str
) -> None:
    slow = Slow(before)
    with pytest.raises(FailedAnswer) as caught:
        put(slow, limits=limits)
    assert why in (caught.value.error.why or "").lower()
    assert caught.value.answer.text == "".join(before)
    assert slow.cancelled.wait(150)
