"""Events from bytes cut anywhere, beside another implementation of the same standard."""

from __future__ import annotations

from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.chat import sse
from launchpad.chat.sse import EventReader
from launchpad.errors import AnswerError

PIECES = ["data", "data: ", "data:", ":", " ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\r\r", "id: 1", "event: x", "a", "é", "{}"]  # fmt: skip


def read(*parts: bytes) -> list[str]:
    reader = EventReader()
    return [event for part in parts for event in reader.feed(part)]


def theirs(raw: bytes) -> list[str]:
    """What httpx2 reads. It also tells of events without data, which say nothing here."""
    request = httpx2.Request("POST", "http://127.0.0.1/")
    headers = {"content-type": "text/event-stream"}
    response = httpx2.Response(200, headers=headers, content=raw, request=request)
    return [event.data for event in httpx2.EventSource(response) if event.data]


@given(st.lists(st.sampled_from(PIECES)), st.lists(st.integers(0, 200)))
def test_any_bytes_cut_anywhere(pieces: list[str], cuts: list[int]) -> None:
    raw = "".join(["data: start\n\n", *pieces, "\n\n"]).encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    found = read(*(raw[begin:end] for begin, end in pairwise(places)))
    assert [event for event in found if event] == theirs(raw)


def test_an_event_is_told_when_its_last_byte_is_here() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\n\r") == ["a"]
    assert reader.feed(b"\ndata: b\n") == []
    assert reader.feed(b"\n") == ["b"]


def test_an_event_without_its_end_is_none() -> None:
    assert read(b"data: a\n\n", b"data: b\n") == ["a"]


@pytest.mark.parametrize(
    ("first", "more"),
    [(b"data: a", b"a" * 60), (b"data: a\n", b"data: " + b"a" * 40 + b"\ndata: a")],
    ids=["one line", "many lines"],
)
def test_an_event_that_does_not_end(monkeypatch: pytest.MonkeyPatch, first: bytes, more: bytes) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    reader = EventReader()
    reader.feed(first)
    reader.feed(more)
    with pytest.raises(AnswerError, match="exceeded 100 bytes"):
        reader.feed(more)


def test_comments_that_keep_a_connection_open_are_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    assert read(*[b": pi", b"ng\n\n"] * 200, b"data: a\n\n") == ["a"]
