"""Transcripts: append-only, private, and readable whatever a crash left."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.chat.transcript import Transcript, list_sessions, read_records, session_path
from launchpad.errors import BusyError, UsageError


def question(text: str) -> dict[str, str]:
    return {"type": "message", "role": "user", "content": text}


def write_answer(transcript: Transcript, *pieces: tuple[str, str]) -> None:
    for kind, text in pieces:
        transcript.piece(kind, text)
    transcript.end_answer({"finish_reason": "stop", "ms": 5, "usage": {"prompt": 1, "completion": 2}})


def test_one_line_per_message() -> None:
    with Transcript("s") as transcript:
        transcript.write(question("hi"))
        write_answer(
            transcript, ("reasoning", "h"), ("reasoning", 'm"'), ("content", "o\\k"), ("content", "\né😀")
        )
    lines = session_path("s").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        question("hi"),
        {
            "type": "message",
            "role": "assistant",
            "reasoning": 'hm"',
            "content": "o\\k\né😀",
            "finish_reason": "stop",
            "ms": 5,
            "usage": {"prompt": 1, "completion": 2},
        },
    ]
    assert read_records(session_path("s")) == [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), {"content": ""}),
        ((("content", "a"),), {"content": "a"}),
        ((("reasoning", "r"),), {"reasoning": "r", "content": ""}),
        (
            (("reasoning", "r"), ("content", "a"), ("reasoning", "x"), ("content", "b")),
            {"reasoning": "r", "content": "ab", "late_reasoning": "x"},
        ),
    ],
)
def test_any_order_of_pieces_is_one_valid_line(
    pieces: tuple[tuple[str, str], ...], expected: dict[str, str]
) -> None:
    with Transcript("s") as transcript:
        write_answer(transcript, *pieces)
    (record,) = read_records(session_path("s"))
    assert {key: record[key] for key in expected} == expected
    assert ("late_reasoning" in record) == ("late_reasoning" in expected)


def test_an_answer_is_on_disk_while_it_arrives() -> None:
    with Transcript("s") as transcript:
        transcript.write(question("hi"))
        transcript.piece("reasoning", "hm")
        transcript.piece("content", 'par"tial')
        records = read_records(session_path("s"))
    assert records[-1]["reasoning"] == "hm"
    assert records[-1]["content"] == 'par"tial'
    assert records[-1]["finish_reason"] == "cut"


def test_a_crash_at_any_byte_loses_nothing_but_the_rest() -> None:
    with Transcript("whole") as transcript:
        transcript.write(question("first"))
        write_answer(transcript, ("reasoning", 'h\\"m'), ("content", 'a"\\é\x01\n😀'), ("content", "z"))
    whole = session_path("whole").read_bytes()
    (answer,) = read_records(session_path("whole"))[1:]
    content_at = whole.index(b'"content":"', whole.index(b"assistant")) + len(b'"content":"')
    for size in range(len(whole)):
        path = session_path(f"cut{size}")
        path.write_bytes(whole[:size])
        before = read_records(path)
        with Transcript(path.stem) as transcript:
            transcript.write(question("next"))
        assert path.read_bytes().startswith(whole[:size])
        after = read_records(path)
        assert after == [*before, question("next")]
        if size > content_at:
            kept = str(after[1]["content"])
            assert answer["content"].startswith(kept[:-1])  # the last character may have been cut in two
            assert len(kept) >= min(size - content_at, len(answer["content"])) // 6


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_garbage_is_skipped(garbage: bytes) -> None:
    path = session_path("garbage")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(garbage)
    with Transcript("garbage") as transcript:
        transcript.write(question("next"))
    assert read_records(path)[-1] == question("next")


def test_files_are_private() -> None:
    old = os.umask(0)
    try:
        with Transcript("s") as transcript:
            transcript.write(question("hi"))
    finally:
        os.umask(old)
    assert stat.S_IMODE(session_path("s").stat().st_mode) == 0o600
    assert stat.S_IMODE(session_path("s").parent.stat().st_mode) == 0o700


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched\n")
    session_path("s").parent.mkdir(parents=True)
    session_path("s").symlink_to(canary)
    with Transcript("s") as transcript, pytest.raises(OSError):
        transcript.write(question("hi"))
    assert canary.read_text() == "untouched\n"


def test_nothing_is_created_before_the_first_record() -> None:
    Transcript("s").close()
    assert not session_path("s").exists()


def test_one_writer_at_a_time() -> None:
    with Transcript("s") as first, Transcript("s") as second:
        first.write(question("hi"))
        with pytest.raises(BusyError):
            second.write(question("ho"))
    with Transcript("s") as third:
        third.write(question("again"))
    assert len(read_records(session_path("s"))) == 2


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "/etc/passwd", ".hidden", "a\\b", "a\0", "a\n", "x" * 101, "é"]
)
def test_names_that_are_no_file_names(name: str) -> None:
    with pytest.raises(UsageError):
        session_path(name)


def test_the_last_used_session_comes_first() -> None:
    assert list_sessions() == []
    for index, name in enumerate(("old", "new")):
        with Transcript(name) as transcript:
            transcript.write(question("hi"))
        os.utime(session_path(name), (index, index))
    assert list_sessions() == ["new", "old"]
