"""Sessions: history, transcript and figures, through every way that an answer can end."""

from __future__ import annotations

import pytest

from chat.simulated_engine import DONE, SimulatedEngine, answer, piece, usage
from launchpad.chat.delta import Delta, Text
from launchpad.chat.history import Record
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.session import Session
from launchpad.chat.stats import stats_line
from launchpad.chat.transcript import read_records, session_path
from launchpad.errors import AnswerError, BusyError, UsageError
from launchpad.events import AnswerFinished, Event


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def records(session: Session) -> list[Record]:
    return read_records(session_path(session.id))


def test_two_turns(engine: SimulatedEngine) -> None:
    engine.reply(*answer("hel", "lo"))
    engine.reply(*answer("yes", prompt=20))
    session = Session(engine.server(), system="be brief")
    assert text(list(session.ask("hi"))) == "hello"
    assert text(list(session.ask("sure?"))) == "yes"
    assert engine.messages() == [
        ("system", "be brief"),
        ("user", "hi"),
        ("assistant", "hello"),
        ("user", "sure?"),
    ]
    assert [(record["type"], record.get("role")) for record in records(session)] == [
        ("session", None),
        ("message", "system"),
        ("message", "user"),
        ("message", "assistant"),
        ("message", "user"),
        ("message", "assistant"),
    ]
    assert records(session)[0]["model"] == "simulated-model"
    assert "secret-key" not in session_path(session.id).read_text()
    session.close()


def test_who_listens_hears_of_each_answer_and_nothing_of_what_was_said(engine: SimulatedEngine) -> None:
    heard: list[Event] = []
    engine.reply(piece("secret answer", finish="stop"), usage(100, 11), DONE)
    session = Session(engine.server(), keep=False, report=heard.append)
    list(session.ask("secret question"))
    (event,) = heard
    assert isinstance(event, AnswerFinished)
    assert (event.model, event.reason, event.prompt_tokens, event.completion_tokens) == (
        "simulated-model", "stop", 100, 11,
    )  # fmt: skip
    assert event.seconds >= (event.first_token or 0) > 0
    assert "secret" not in str(event)


def test_figures(engine: SimulatedEngine) -> None:
    timings = {"prompt_n": 100, "prompt_ms": 500.0, "predicted_n": 11, "predicted_ms": 2000.0}
    engine.reply(piece("x", finish="stop"), usage(100, 11, timings=timings), DONE)
    session = Session(engine.server(context=512), keep=False)
    list(session.ask("hi"))
    assert session.last is not None
    assert stats_line(session.last) == "11 tokens, 5.0 tok/s, context 111/512"
    assert session.last.first_token is not None
    assert session.last.seconds >= session.last.first_token


def test_closing_keeps_the_part_that_came(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"), piece("tial"), endless=piece(""))
    engine.reply(*answer("more"))
    session = Session(engine.server())
    deltas = session.ask("hi")
    assert next(deltas) == Text("par")
    assert next(deltas) == Text("tial")
    deltas.close()
    assert engine.gone.wait(150)
    assert session.messages == (Message("user", "hi"), Message("assistant", "partial"))
    assert records(session)[-1]["content"] == "partial"
    assert records(session)[-1]["finish_reason"] == "cancelled"
    assert session.last is not None
    assert session.last.finish_reason == "cancelled"
    list(session.ask("go on"))
    assert engine.messages()[1] == ("assistant", "partial")
    session.close()


def test_ctrl_c_before_the_first_token_leaves_no_trace(engine: SimulatedEngine) -> None:
    engine.reply(piece(reasoning_content="hm"), hold=True)
    session = Session(engine.server())
    deltas = session.ask("hi")
    next(deltas)
    with pytest.raises(KeyboardInterrupt):
        deltas.throw(KeyboardInterrupt)
    assert session.messages == ()
    assert session.last_question == "hi"
    assert records(session)[-1]["reasoning"] == "hm"
    session.close()


def test_a_cut_answer_is_kept_and_can_be_retried(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"))
    engine.reply(*answer("whole"))
    session = Session(engine.server())
    with pytest.raises(AnswerError, match="cut"):
        list(session.ask("hi"))
    assert session.messages[-1] == Message("assistant", "par")
    assert records(session)[-1]["finish_reason"] == "error"
    assert "cut" in records(session)[-1]["error"]
    assert text(list(session.retry())) == "whole"
    assert engine.messages() == [("user", "hi")]
    session.close()


def test_a_refused_question_can_be_asked_again(engine: SimulatedEngine) -> None:
    engine.reply(*answer("one"))
    engine.reply(b"no", status=500)
    engine.reply(*answer("two"))
    session = Session(engine.server(), keep=False)
    list(session.ask("first"))
    with pytest.raises(AnswerError):
        list(session.ask("second"))
    assert text(list(session.retry())) == "two"
    assert engine.messages() == [("user", "first"), ("assistant", "one"), ("user", "second")]


def test_nothing_to_retry(engine: SimulatedEngine) -> None:
    with pytest.raises(UsageError):
        Session(engine.server(), keep=False).retry()


def test_a_full_context_is_an_error_with_both_numbers(engine: SimulatedEngine) -> None:
    engine.reply(*answer("a", "b", finish="length", prompt=510))
    session = Session(engine.server(context=512))
    with pytest.raises(AnswerError) as caught:
        list(session.ask("hi"))
    assert caught.value.why == "The conversation has 512 tokens; the context holds 512."
    assert records(session)[-1]["content"] == "ab"
    assert records(session)[-1]["finish_reason"] == "length"
    session.close()


def test_a_length_that_was_asked_for_is_no_error(engine: SimulatedEngine) -> None:
    engine.reply(*answer("a", "b", finish="length"))
    session = Session(engine.server(context=512), options=ChatOptions(max_tokens=2), keep=False)
    assert text(list(session.ask("hi"))) == "ab"
    assert session.last is not None
    assert session.last.finish_reason == "length"


def test_an_engine_that_drops_messages_silently_is_noticed(engine: SimulatedEngine) -> None:
    engine.reply(*answer("a", prompt=2000))
    engine.reply(*answer("b", prompt=130))
    session = Session(engine.server(), keep=False)
    list(session.ask("long"))
    assert session.last is not None
    assert session.last.notices == ()
    list(session.ask("more"))
    assert "it read 130 of more than 2000" in session.last.notices[0]


def test_clear_and_system(engine: SimulatedEngine) -> None:
    engine.reply(*answer("a", prompt=2000))
    engine.reply(*answer("b", prompt=10))
    session = Session(engine.server())
    list(session.ask("one"))
    session.clear()
    session.set_system("be brief")
    list(session.ask("two"))
    assert engine.messages() == [("system", "be brief"), ("user", "two")]
    assert session.last is not None
    assert session.last.notices == ()
    session.close()


def test_resume(engine: SimulatedEngine) -> None:
    engine.reply(*answer("one"))
    first = Session(engine.server(), system="s", session="mine")
    assert not first.resumed
    list(first.ask("q"))
    with pytest.raises(BusyError):
        Session(engine.server(), session="mine")
    first.close()
    second = Session(engine.server(), session="mine")
    assert second.resumed
    list(second.ask("r"))
    assert engine.messages() == [("system", "s"), ("user", "q"), ("assistant", "one"), ("user", "r")]
    second.close()
    third = Session(engine.server(), session="mine", system="t")
    list(third.ask("z"))
    third.close()
    assert Session(engine.server(), session="mine", keep=False).messages[0] == Message("system", "t")


def test_resume_after_a_crash_in_the_middle_of_an_answer(engine: SimulatedEngine) -> None:
    session_path("mine").parent.mkdir(parents=True)
    session_path("mine").write_text(
        '{"type":"session","v":1}\n{"type":"message","role":"user","content":"q"}\n'
        '{"type":"message","role":"assistant","content":"once upon a'
    )
    engine.reply(*answer("time"))
    session = Session(engine.server(), session="mine")
    list(session.ask("go on"))
    session.close()
    assert engine.messages() == [("user", "q"), ("assistant", "once upon a"), ("user", "go on")]
    assert [record.get("content") for record in records(session)] == [
        None,
        "q",
        "once upon a",
        None,
        "go on",
        "time",
    ]


def test_a_disk_that_refuses_costs_no_answer(engine: SimulatedEngine) -> None:
    session_path("x").parent.mkdir(parents=True)
    session = Session(engine.server())
    session_path(session.id).symlink_to("/nowhere")
    engine.reply(*answer("one"))
    assert text(list(session.ask("q"))) == "one"
    assert session.last is not None
    assert "no longer saved" in session.last.notices[0]
    list(session.ask("r"))
    assert session.last.notices == ()


def test_surrogates_from_the_command_line_do_no_harm(engine: SimulatedEngine) -> None:
    engine.reply(*answer("ok"))
    session = Session(engine.server())
    list(session.ask("caf\udce9"))
    assert engine.messages() == [("user", "caf\ufffd")]
    session.close()
