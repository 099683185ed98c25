"""The terminal chat as a person meets it: a real process in a pty."""

from __future__ import annotations

import base64
import json
import signal
import stat
import threading
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest

from chat.simulated_engine import SimulatedEngine, answer, piece
from chat.terminal_harness import Terminal, terminal
from launchpad.chat.commands import named_file
from launchpad.chat.repl import Repl
from launchpad.chat.session import Session
from launchpad.chat.transcript import read_records, session_path
from launchpad.paths import state_dir
from vision_files import write_picture

CTRL_C, CTRL_D, ALT_ENTER, TAB = "\x03", "\x04", "\x1b\r", "\t"


def leave(chat: Terminal, code: int = 0) -> None:
    """Press Ctrl-D until it is heard: while the terminal changes hands it is no key yet, as a person would notice."""
    for _ in range(10):
        chat.send(CTRL_D)
        if chat.ends_within(1.0):
            break
    assert chat.wait() == code
    assert chat.restored()


def test_a_conversation(engine: SimulatedEngine) -> None:
    engine.reply(*answer("Hel", "lo!"))
    engine.reply(*answer("Bye!", prompt=20))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("Hello!")
        chat.expect("context 12/4,096")
        chat.prompt(2)
        chat.send("bye\r")
        chat.expect("Bye!")
        chat.prompt(3)
        leave(chat)
    assert engine.messages() == [("user", "hi"), ("assistant", "Hello!"), ("user", "bye")]


def test_tokens_are_shown_as_they_come(engine: SimulatedEngine) -> None:
    engine.reply(piece("first half"), hold=True)
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("first half")
        chat.send(CTRL_C)
        chat.expect("(stopped)")
        chat.prompt(2)
        assert engine.gone.wait(150)
        leave(chat)


def test_ctrl_c_stops_the_answer_and_keeps_what_came(engine: SimulatedEngine) -> None:
    engine.reply(piece("begin "), endless=piece("more "))
    engine.reply(*answer("ok"))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("begin more")
        chat.send(CTRL_C)
        chat.expect("(stopped)")
        assert engine.gone.wait(150)
        chat.prompt(2)
        chat.send("again\r")
        chat.expect("ok")
        chat.prompt(3)
        leave(chat)
    assert engine.messages()[1][1].startswith("begin more")
    assert "cancelled" in [record.get("finish_reason") for record in read_records(session_path("chat"))]


@pytest.mark.parametrize(("term", "enter"), [("xterm", "\r"), ("dumb", "\n")])
def test_what_is_typed_during_an_answer_comes_after_it(
    engine: SimulatedEngine, term: str, enter: str
) -> None:
    more = threading.Event()
    engine.reply(piece("begin"), *answer(" end"), gate=more)
    engine.reply(*answer("second"))
    with terminal("repl", engine.endpoint, TERM=term) as chat:
        chat.prompt()
        chat.send(f"hi{enter}")
        chat.expect("begin")
        chat.send(f"typed ahead{enter}")
        more.set()
        chat.expect("second")
        chat.prompt(3)
        assert "begin end" in chat.shown()
        leave(chat)
    assert engine.messages()[-1] == ("user", "typed ahead")


def test_ctrl_c_twice_leaves_but_first_clears_the_line(engine: SimulatedEngine) -> None:
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("half a question")
        chat.expect("half a question")
        chat.send(CTRL_C)
        chat.prompt(2)
        assert "Ctrl-C again" not in chat.shown()
        chat.send(CTRL_C)
        chat.expect("Ctrl-C again or Ctrl-D leaves.")
        chat.prompt(3)
        chat.send(CTRL_C)
        assert chat.wait() == 130
        assert chat.restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("busy", [False, True], ids=["at the prompt", "in an answer"])
def test_signals_leave_a_sane_terminal(engine: SimulatedEngine, number: signal.Signals, busy: bool) -> None:
    engine.reply(piece("begin"), endless=piece(""))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        if busy:
            chat.send("hi\r")
            chat.expect("begin")
        chat.process.send_signal(number)
        assert chat.wait() == 128 + number
        assert chat.restored()
    if busy:
        assert engine.gone.wait(150)
        assert read_records(session_path("chat"))[-1]["finish_reason"] == "cancelled"


def test_a_closed_window_stops_the_engine(engine: SimulatedEngine) -> None:
    engine.reply(piece("begin"), endless=piece("more"))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("begin")
        chat.hang_up()
        assert engine.gone.wait(150)
        assert chat.process.wait(150) == 129


def test_hostile_answers_are_text(engine: SimulatedEngine) -> None:
    hostile = "\x1b]0;pwned\x07\x1b]52;c;cHduZWQ=\x07\x1bcrm -rf\rls\x1b[8mhid\x9b2J"
    hostile += "\n\n\x1b]8;;http://evil.example\x07click\n\n\x1bPq#0\x1b\\dcs\n\n\x1b_Gf=24\x1b\\apc\n\n\u202egnp.exe"
    hostile += "\b" * 10_000
    engine.reply(*answer(*hostile))  # cut at every character
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.prompt(2)
        shown = chat.shown()
        leave(chat)
    assert "␛]0;pwned␛]52;c;cHduZWQ=␛crm -rf" in shown
    assert "ls␛[8mhid2J" in shown
    for seen in ("␛]8;;http://evil.exampleclick", "␛Pq#0␛\\dcs", "␛_Gf=24␛\\apc", "\\u{202E}gnp.exe"):
        assert seen in shown
    assert chat.screen.requests == []


def test_reasoning_is_dim_and_can_be_hidden(engine: SimulatedEngine) -> None:
    engine.reply(piece(reasoning_content="let me think"), *answer("42"))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("let me think\n42")
        assert b"\x1b[2mlet me think\x1b[22m" in chat.raw
        chat.prompt(2)
        chat.send("/think hide\r")
        chat.expect("Reasoning is hidden.")
        chat.send("/think off\r")
        chat.expect("not to reason")
        chat.send("more\r")
        chat.expect("42", 2)
        chat.prompt(5)
        assert chat.shown().count("let me think") == 1
        leave(chat)
    assert engine.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    "environ",
    [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": "dumb", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}],
    ids=["dumb", "no color", "ascii"],
)
def test_plain_terminals(engine: SimulatedEngine, environ: dict[str, str]) -> None:
    engine.reply(piece(reasoning_content="hm"), *answer("né"))
    with terminal("repl", engine.endpoint, **environ) as chat:
        chat.prompt()
        chat.send("hi\r" if environ.get("TERM") != "dumb" else "hi\n")
        chat.expect("(reasoning) hm")
        chat.expect("n\\xe9" if "LC_ALL" in environ else "né")
        chat.prompt(2)
        assert b"\x1b[2m" not in chat.raw
        if environ.get("TERM") == "dumb":
            assert b"\x1b" not in chat.raw
        leave(chat)


@pytest.mark.parametrize("columns", [40, 12])
def test_narrow_terminals(engine: SimulatedEngine, columns: int) -> None:
    engine.reply(*answer("Hello, narrow world"))
    with terminal("repl", engine.endpoint, columns=columns, lines=200) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("Hello,")
        chat.prompt(2)
        chat.send("/help\r")
        chat.expect("/exit")
        chat.prompt(3)
        leave(chat)


def test_one_column(engine: SimulatedEngine) -> None:
    engine.reply(*answer("Hello"))
    with terminal("repl", engine.endpoint, columns=1, lines=200) as chat:
        chat.expect(">\n>\n>")
        chat.send("hi\n")
        chat.expect("H\ne\nl\nl\no")
        chat.expect(">\n>\n>", 2)
        leave(chat)


def test_commands(engine: SimulatedEngine, tmp_path: Path) -> None:
    engine.reply(*answer("one"))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("/hlep\r")
        chat.expect("Did you mean /help?")
        chat.send("/system be brief\r")
        chat.expect("The system message is set.")
        chat.send("first\r")
        chat.expect("one")
        chat.send("/retry\r")
        chat.expect("one", 2)
        chat.send(f"/save {tmp_path}/talk.md\r")
        chat.expect("Saved to")
        chat.send(f"/save {tmp_path}/talk.jsonl\r")
        chat.expect("Saved to", 2)
        chat.send(f"/save {tmp_path}/talk.md\r")
        chat.expect("exists already")
        chat.send("/stats\r")
        chat.expect("context   4,096 tokens")
        chat.send("/clear\r")
        chat.expect("Forgotten. The system message stays.")
        chat.send("/etc/hosts is what?\r")
        chat.expect("one", 3)
        chat.send("/think maybe\r")
        chat.expect("needs one of")
        chat.send("/clear now\r")
        chat.expect("takes no argument")
        chat.send("/exit\r")
        assert chat.wait() == 0
    assert engine.messages() == [("system", "be brief"), ("user", "/etc/hosts is what?")]
    assert engine.messages(1) == [("system", "be brief"), ("user", "first")]
    assert (
        tmp_path / "talk.md"
    ).read_text() == "## System\n\nbe brief\n\n## You\n\nfirst\n\n## simulated-model\n\none\n"
    assert [message["role"] for message in json.loads((tmp_path / "talk.jsonl").read_text())["messages"]] == [
        "system",
        "user",
        "assistant",
    ]


def test_completion(engine: SimulatedEngine) -> None:
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("/sta")
        chat.expect("/stats  model")
        chat.send(TAB)
        chat.expect(">>> /stats")
        chat.send(CTRL_C)
        chat.prompt(2)
        chat.send("/think hi")
        chat.expect("hide")
        chat.send(TAB)
        chat.expect(">>> /think hide")
        chat.send("\r")
        chat.expect("Reasoning is hidden.")
        chat.prompt(3)
        leave(chat)


def test_several_lines_typed_and_pasted(engine: SimulatedEngine) -> None:
    engine.reply(*answer("ok"))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send(f"one{ALT_ENTER}two\r")
        chat.expect("ok")
        chat.prompt(2)
        chat.send("\x1b[200~three\rfour\n/exit\x1b[201~\r")
        chat.expect("ok", 2)
        chat.prompt(3)
        leave(chat)
    assert engine.messages(0)[-1] == ("user", "one\ntwo")
    assert engine.messages(1)[-1] == ("user", "three\nfour\n/exit")


def test_history_is_private_and_comes_back(engine: SimulatedEngine) -> None:
    engine.reply(*answer("ok"))
    for arrow in ("", "\x1b[A"):
        with terminal("repl", engine.endpoint) as chat:
            chat.prompt()
            chat.send(f"{arrow or 'remember me'}\r")
            chat.expect("ok")
            leave(chat)
    assert engine.messages()[-1] == ("user", "remember me")
    assert stat.S_IMODE((state_dir() / "chat-history").stat().st_mode) == 0o600


def test_a_dumb_terminal_has_history_and_completion_too(engine: SimulatedEngine) -> None:
    engine.reply(*answer("one"))
    up = "\x1b[A"
    with terminal("repl", engine.endpoint, TERM="dumb") as chat:
        chat.prompt()
        chat.send("remember mee\x7f\n")
        chat.prompt(2)
        chat.send("/st\t\n")
        chat.expect("context   4,096 tokens")
        chat.prompt(3)
        chat.send(up + up + " well\n")
        chat.prompt(4)
        assert "^[" not in chat.shown()
        leave(chat)
    with terminal("repl", engine.endpoint, TERM="dumb") as chat:
        chat.prompt()
        chat.send(f"{up}\n")
        chat.expect("one")
        assert b"\x1b" not in chat.raw
        leave(chat)
    asked = [engine.messages(number)[-1] for number in range(3)]
    assert asked == [("user", "remember me"), ("user", "remember me well"), ("user", "remember me well")]


def test_a_failed_answer_does_not_end_the_chat(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"))
    engine.reply(*answer("whole"))
    with terminal("repl", engine.endpoint) as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("The answer was cut.")
        chat.prompt(2)
        chat.send("/retry\r")
        chat.expect("whole")
        leave(chat)


def test_a_dead_engine_ends_the_chat(engine: SimulatedEngine) -> None:
    engine.reply(piece("par"))
    with terminal("repl", engine.endpoint, ENGINE_DEAD="1") as chat:
        chat.prompt()
        chat.send("hi\r")
        chat.expect("The engine died.")
        assert chat.wait() == 5
        assert chat.restored()


def test_a_session_goes_on(engine: SimulatedEngine) -> None:
    engine.reply(*answer("one"))
    for greeting in ("/help", "Going on with session chat: 2 messages."):
        with terminal("repl", engine.endpoint) as chat:
            chat.expect(greeting)
            chat.prompt()
            chat.send("hi\r")
            chat.expect("one")
            chat.prompt(2)  # a Ctrl-D while the terminal changes hands would be no key yet
            leave(chat)
    assert len(engine.messages()) == 3


def test_pictures_go_with_one_question_and_stay_in_the_conversation(
    engine: SimulatedEngine, tmp_path: Path
) -> None:
    engine.reply(*answer("red"))
    png, jpeg = write_picture(tmp_path / "my red.png"), tmp_path / "photo.jpg"
    jpeg.write_bytes(b"\xff\xd8\xff\xe0 simulated")
    with terminal("repl", engine.endpoint, SEES="1", columns=120) as chat:
        chat.prompt()
        chat.send(f"/image '{png}'\r")  # as terminals write what is dropped on them
        chat.expect("my red.png goes along")
        chat.send(f"/image {jpeg}\r")
        chat.expect("photo.jpg goes along")
        chat.send("what is it?\r")
        chat.expect("red", 3)
        chat.prompt(4)
        chat.send("sure?\r")
        chat.prompt(5)
        leave(chat)
    urls = [
        f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        for kind, path in (("png", png), ("jpeg", jpeg))
    ]
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    question = {"role": "user", "content": [{"type": "text", "text": "what is it?"}, *pictures]}
    assert engine.requests[0]["messages"] == [question]
    first, _, last = engine.requests[1]["messages"]
    assert first == question
    assert last["content"] == "sure?"


@pytest.mark.parametrize("typed", ["'{}'", '"{}"', "{}", "{escaped}"])
def test_names_of_files_as_terminals_write_them(tmp_path: Path, typed: str) -> None:
    path = tmp_path / "my notes.txt"
    path.write_text("x")
    assert named_file(typed.format(path, escaped=str(path).replace(" ", "\\ "))) == path


def test_a_name_with_quotes_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "'odd'"
    path.write_text("x")
    assert named_file(str(path)) == path
    assert named_file("it's not there") == Path("it's not there")
    assert named_file("~nobody-at-all/x") == Path("~nobody-at-all/x")
    assert named_file(long := "x" * 5000) == Path(long)


def test_nobody_waits_for_the_engines_death_after_a_typing_mistake(engine: SimulatedEngine) -> None:
    looked: list[bool] = []
    engine.reply(piece("par"))  # and the connection ends
    with closing(Session(engine.server(), keep=False)) as session:
        repl = Repl(
            session, out=StringIO(), err=StringIO(), renewed=lambda before: looked.append(before) or False
        )
        repl._turn("/hlep")
        assert looked == []
        repl._turn("a question that breaks off")
        assert looked == [True, False]
