"""`launchpad chat` at a terminal: a real process in a pty, on a simulated engine that is a real process too."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.terminal_harness import Terminal, terminal
from gguf_bytes import gguf
from launchpad.chat.transcript import list_sessions, read_records, session_path
from launchpad.testing.processes import engine_processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
MAIN = str(Path(__file__).with_name("chat_main.py"))
SIMULATED = {
    "LAUNCHPAD_PLUGIN_PATH": str(Path(__file__).with_name("simulated_backend.py")),
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "LAUNCHPAD_PYPI_INDEX_URL": "http://127.0.0.1:9/simple",
}


@pytest.fixture
def model(tmp_path: Path, private_home: Path) -> Iterator[str]:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    yield str(path)
    assert not engine_processes(private_home)


def chat(*arguments: str, **more: str):
    return terminal("chat", *arguments, program=(MAIN,), **{**SIMULATED, **more})


def leave(shown: Terminal) -> None:
    shown.send("/exit\r")
    assert shown.wait() == 0
    assert shown.restored()


def test_another_context_and_another_model_keep_what_was_said(model, tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(Path(model).read_bytes())
    with chat(model, "--backend", "simulated", "--context", "2048") as shown:
        shown.prompt()
        shown.send("my dog is Bruno\r")
        shown.expect("answer is: my dog is Bruno")
        shown.prompt(2)
        shown.send("/context 1k\r")
        shown.expect("context 1,024")
        shown.prompt(3)
        shown.send(f"/model {other}\r")
        shown.expect("other · CPU · context 1,024")  # as was asked for last
        shown.prompt(4)
        shown.send("/model\r")
        shown.expect("other answers.")
        shown.prompt(5)
        shown.send("more\r")
        shown.expect("answer is: more")
        shown.prompt(6)
        leave(shown)
    records = read_records(session_path(list_sessions()[0]))
    assert [r["model"] for r in records if r["type"] in ("session", "engine")] == ["tiny", "tiny", "other"]
    assert [r["content"] for r in records if r.get("role") == "user"] == ["my dog is Bruno", "more"]


def test_what_cannot_be_leaves_the_chat_and_its_engine_as_they_were(model, private_home):
    with chat(model, "--backend", "simulated", "--context", "2048") as shown:
        shown.prompt()
        engine = engine_processes(private_home)
        shown.send("/model no-such-model-at-all\r")
        shown.expect("no-such-model-at-all")
        shown.prompt(2)
        shown.send("/context 900000000000\r")
        shown.prompt(3)
        assert engine_processes(private_home) == engine
        shown.send("/context lots\r")
        shown.expect("needs a number")
        shown.prompt(4)
        shown.send("still there\r")
        shown.expect("answer is: still there")
        shown.prompt(5)
        leave(shown)


def test_what_the_old_engine_leaves_no_room_for_replaces_it(model, private_home):
    mib = 1 << 20  # the machine holds one engine of 700 MiB, but not two
    short = {
        "SIMULATED_ENGINE": f"--hold {700 * mib}",
        "SIMULATED_MEMORY": str(1240 * mib),
        "LAUNCHPAD_PLUGINS_DISABLED": "probes",
    }
    with chat(model, "--backend", "simulated", "--context", "1024", **short) as shown:
        shown.prompt()
        engine = engine_processes(private_home)
        shown.send("/context 2k\r")
        shown.expect("context 2,048")
        shown.prompt(2)
        assert not set(engine) & set(engine_processes(private_home))
        leave(shown)


def test_a_conversation_goes_on_with_its_model(model):
    with chat(model, "--backend", "simulated") as shown:
        shown.prompt()
        shown.send("one\r")
        shown.expect("answer is: one")
        shown.prompt(2)
        leave(shown)
    with chat("-c", "--backend", "simulated") as shown:
        shown.expect("2 messages")
        shown.prompt()
        shown.send("/stats\r")
        shown.expect("model     tiny")
        shown.prompt(2)
        leave(shown)
    assert len(list_sessions()) == 1


def test_a_chat_that_is_killed_in_an_answer_goes_on(model):
    with chat(
        model, "--backend", "simulated", "--session", "k", SIMULATED_ENGINE="--token-seconds 0.3"
    ) as shown:
        shown.prompt()
        shown.send("one two three four five six seven eight\r")
        shown.expect("is: one two")
        shown.process.send_signal(signal.SIGKILL)
        shown.process.wait(150)
    with chat("--session", "k", "--backend", "simulated") as shown:
        shown.expect("2 messages")
        shown.prompt()
        shown.send("next\r")
        shown.expect("answer is: next")
        shown.prompt(2)
        leave(shown)
    answers = [r["content"] for r in read_records(session_path("k")) if r.get("role") == "assistant"]
    assert answers[0].startswith("The answer is: one two")
    assert len(answers) == 2


def test_files_editor_and_markdown(model, tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("a `note` of **mine**")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "edited" > "$1"\n')
    editor.chmod(0o755)
    with chat("--backend", "echo", EDITOR=str(editor), VISUAL="") as shown:
        shown.prompt()
        shown.send("/image x.png\r")
        shown.expect("takes no pictures")
        shown.send(f"/file {note}\r")
        shown.expect("about 10 tokens")
        shown.prompt(3)
        shown.send("what is **this**?\r")
        shown.expect("\nwhat is this?")
        shown.expect("a `note` of **mine**")  # inside a fence nothing is styled
        shown.prompt(4)
        shown.send("/edit\r")
        shown.expect("\nedited")
        shown.prompt(5)
        shown.send("/markdown off\r")
        shown.expect("as they come")
        shown.send("**raw**\r")
        shown.expect("\n**raw**")
        shown.prompt(7)
        leave(shown)


def test_another_conversation_is_loaded(tmp_path, launchpad):
    ran = launchpad("chat", "--session", "old", "-p", "from before", "--backend", "echo")
    assert ran.code == 0, ran.err
    with chat("--backend", "echo") as shown:
        shown.prompt()
        shown.send("/load old\r")
        shown.expect("2 messages are loaded")
        shown.send(f"/save {tmp_path}/talk.jsonl\r")
        shown.expect("Saved")
        shown.send(f"/load {tmp_path}/talk.jsonl\r")
        shown.expect("2 messages are loaded", 2)
        shown.send("/load nothing\r")
        shown.expect("no session and no file")
        shown.prompt(5)
        leave(shown)


@pytest.mark.parametrize(("key", "said"), [("y", "called: shout"), ("n", "not called: shout")])
def test_a_tool_waits_for_consent(tmp_path, key, said):
    transcript = tmp_path / "calls.py"
    transcript.write_text(CALLING)
    with terminal(program=(str(transcript),), columns=100) as shown:
        shown.expect("y allows it")
        shown.send(key)
        shown.expect(said)
        assert shown.wait() == 0
        assert shown.restored()


CALLING = '''
"""One call of a tool, on a terminal."""
import os, sys
from launchpad.chat.delta import ToolCall
from launchpad.cli.toolbox import toolbox
tools = toolbox((), ("shout=tr a-z A-Z",), yes=False, tell=lambda line: print(line, file=sys.stderr))
said = tools.answer(ToolCall(name="shout", arguments={"input": "hi"}))
sys.exit(0 if said == "HI" or "did not allow" in said else 1)
'''
