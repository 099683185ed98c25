"""Thoughts and answer told apart, wherever the tags are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.chat.delta import Reasoning, Text
from launchpad.chat.think import ThinkSplitter

CASES = {
    "no tags": ("plain", "", "plain"),
    "tags": ("<think>hm\nm</think>\n\nanswer\n", "hm\nm", "answer\n"),
    "mistral": ("[THINK]hm[/THINK]answer", "hm", "answer"),
    "white space before": (" \n<think>hm</think>a", "hm", "a"),
    "nothing thought": ("<think>\n\n</think>\n\na", "", "a"),
    "never closed": ("<think>hm </thin", "hm </thin", ""),
    "an answer about tags": ("Use <think>x</think>.", "", "Use <think>x</think>."),
    "almost a tag": ("<thinker>", "", "<thinker>"),
    "half a tag at the end": ("<thi", "", "<thi"),
    "only white space": (" \n", "", " \n"),
    "later tags stay": ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
    "other closing tag inside": ("<think>a[/THINK]</b</think>c", "a[/THINK]</b", "c"),
    "empty": ("", "", ""),
}


def split(chunks: list[str]) -> tuple[str, str]:
    splitter = ThinkSplitter()
    pieces = [piece for chunk in chunks for piece in splitter.feed(chunk)] + list(splitter.close())
    assert all(piece.text for piece in pieces)
    thoughts = "".join(piece.text for piece in pieces if isinstance(piece, Reasoning))
    return thoughts, "".join(piece.text for piece in pieces if isinstance(piece, Text))


@pytest.mark.parametrize(("text", "thoughts", "answer"), CASES.values(), ids=CASES)
def test_every_cut(text: str, thoughts: str, answer: str) -> None:
    for first in range(len(text) + 1):
        found = split([text[:first], text[first:]])
        assert (found[0].strip("\n"), found[1]) == (thoughts, answer)
    assert split(list(text))[1] == answer


@given(st.lists(st.sampled_from(["<", "think", ">", "</think>", "[THINK]", "[/", " ", "\n", "a", "b"])))
def test_splitting_never_changes_the_result(chunks: list[str]) -> None:
    assert split(chunks) == split(["".join(chunks)])


def test_an_answer_is_not_held_back() -> None:
    assert list(ThinkSplitter().feed("H")) == [Text("H")]


@pytest.mark.parametrize("before", ["", "<think>hm</think>", "<think>"])
def test_an_engine_that_sends_only_white_space_is_heard(before: str) -> None:
    splitter = ThinkSplitter()
    list(splitter.feed(before))
    heard = sum(len(piece.text) for _ in range(400) for piece in splitter.feed(" "))
    assert heard > 300
