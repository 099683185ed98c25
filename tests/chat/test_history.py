"""What the engine is sent, after everything that can happen to a turn."""

from __future__ import annotations

from launchpad.chat.history import History, Record
from launchpad.chat.options import Message


def said(role: str, content: str) -> Record:
    return {"type": "message", "role": role, "content": content}


def turns(*records: Record) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in History(records).messages]


def test_a_conversation() -> None:
    history = (said("system", "s"), said("user", "q"), said("assistant", "a"))
    assert turns(*history) == [("system", "s"), ("user", "q"), ("assistant", "a")]


def test_a_later_system_message_replaces_the_first() -> None:
    assert turns(said("system", "s"), said("user", "q"), said("assistant", "a"), said("system", "t"))[0] == (
        "system",
        "t",
    )
    assert turns(said("system", "s"), said("system", "")) == []


def test_a_turn_without_an_answer_leaves_no_trace() -> None:
    assert turns(said("user", "q"), said("assistant", "")) == []
    assert turns(said("user", "q")) == []
    assert turns(said("user", "q"), said("user", "r"), said("assistant", "a")) == [
        ("user", "r"),
        ("assistant", "a"),
    ]


def test_a_retry_takes_the_last_turn_back() -> None:
    first = (said("user", "q"), said("assistant", "a"))
    assert turns(*first, {"type": "retry"}) == []
    second = (said("user", "r"), said("assistant", ""))
    assert turns(*first, *second, {"type": "retry"}) == [("user", "q"), ("assistant", "a")]
    assert turns(*first, {"type": "retry"}, {"type": "retry"}) == []


def test_the_question_to_ask_again() -> None:
    assert History().last_question is None
    assert History([said("user", "q"), said("assistant", "")]).last_question == "q"
    assert History([said("user", "q"), said("assistant", "a"), {"type": "clear"}]).last_question is None


def test_clear_keeps_the_system_message() -> None:
    history = History([said("system", "s"), said("user", "q"), said("assistant", "a"), {"type": "clear"}])
    assert history.messages == (Message("system", "s"),)


def test_records_of_other_kinds_are_ignored() -> None:
    assert turns({"type": "check"}, {}, {"type": "message"}, said("tool", "x")) == []
