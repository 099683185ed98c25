"""A conversation in other people's formats, and back: nothing that was said is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat.simulated_engine import SimulatedEngine
from launchpad.chat.delta import ToolCall
from launchpad.chat.export import as_markdown, as_openai_line, read_messages
from launchpad.chat.options import Message
from launchpad.chat.session import Session
from launchpad.chat.transcript import session_path

CALL = ToolCall(name="weather", arguments={"city": "Köln"}, id="c1")
TALK = (
    Message("system", "Be brief."),
    Message("user", "What is this?", images=("iVBORw0KGgo=",)),
    Message("assistant", "A dot."),
    Message("user", "And the weather?"),
    Message("assistant", "", calls=(CALL,)),
    Message("tool", "12 °C", tool="weather", call="c1"),
    Message("assistant", "Cold."),
)


def saved(folder: Path, messages: Sequence[Message]) -> Path:
    path = folder / "talk.jsonl"
    path.write_text(as_openai_line(messages), encoding="utf-8")
    return path


def test_what_was_saved_is_read_back_with_pictures_and_tools(tmp_path: Path) -> None:
    assert read_messages(saved(tmp_path, TALK)) == TALK


def test_what_is_loaded_is_kept_whole(tmp_path: Path, engine: SimulatedEngine) -> None:
    session = Session(engine.server(), session="s")
    session.load(read_messages(saved(tmp_path, TALK)))
    session.close()
    assert session.messages == TALK
    assert read_messages(session_path("s")) == TALK


@pytest.mark.parametrize("arguments", ["{", "[]", None, 3])
def test_a_call_that_is_written_badly_is_a_call_without_arguments(tmp_path: Path, arguments: object) -> None:
    function = {"name": "f", "arguments": arguments}
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": function}, 7]},
        {"role": "tool", "content": "x", "tool_call_id": "1"},
        {"role": "assistant", "content": "a"},
    ]
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps({"messages": messages}))
    assert read_messages(path)[1].calls == (ToolCall(name="f", arguments={}, id="1"),)


def test_a_page_names_tools_and_pictures() -> None:
    page = as_markdown(TALK, "Tiny")
    assert "What is this?\n\n(with 1 picture)" in page
    assert '## Tiny\n\n(calls weather {"city": "Köln"})\n\n## Tool weather\n\n12 °C' in page
