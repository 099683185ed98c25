"""Scripts in a folder, and an answerer whose answers the test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, Usage
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import LaunchpadError
from launchpad.script.checks import Answer
from launchpad.script.load import load_script
from launchpad.script.model import Judge, Script


class Scripted:
    """A simulated model: `answers` decides what it says to a conversation; every request is kept in `asked`."""

    model = identity = "simulated"

    def __init__(self, answers: Callable[[Sequence[Message]], str | list[Any]]) -> None:
        self.answers = answers
        self.asked: list[tuple[tuple[Message, ...], ChatOptions]] = []
        self.begun = 0
        self.closed = 0
        self.dead = False
        self._lock = threading.Lock()

    def begin(self) -> Mapping[str, Any]:
        self.begun += 1
        return {"model": self.model}

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        with self._lock:
            self.asked.append((tuple(messages), options))
        found = self.answers(messages)
        pieces = [found] if isinstance(found, str) else found
        finish = Finish(reason="stop", usage=Usage(prompt=3, completion=5))
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            if isinstance(piece, Finish):
                finish = piece
            elif isinstance(piece, Reasoning):
                yield piece
            else:
                yield Text(piece)
        yield finish

    def options(self, asked: ChatOptions) -> ChatOptions:
        return asked

    def alive(self) -> bool:
        return not self.dead

    def close(self) -> None:
        self.closed += 1


class Opener:
    """Opens `Scripted` answerers by name."""

    def __init__(
        self, answerers: Mapping[str | None, Scripted], fails: Mapping[str, LaunchpadError] = {}
    ) -> None:
        self.answerers = answerers
        self.fails = fails
        self.opened: list[str | None] = []

    @contextmanager
    def __call__(self, model: str | None, script: Script) -> Iterator[Scripted]:
        self.opened.append(model)
        if model in self.fails:
            raise self.fails[model]
        answerer = self.answerers[model]
        try:
            yield answerer
        finally:
            answerer.close()

    def knows(self, model: str) -> bool:
        return model in self.answerers


class NoReferee:
    """For checks that need none."""

    def matches(self, pattern: str, text: str) -> bool:
        raise AssertionError

    def violation(self, schema: Mapping[str, Any], value: Any) -> str | None:
        raise AssertionError

    def judge(self, judge: Judge, values: Mapping[str, Any]) -> tuple[str, float]:
        raise AssertionError

    def language(self, text: str) -> str:
        raise AssertionError

    def python(self, function: str, answer: Answer, values: Mapping[str, Any]) -> tuple[bool, str]:
        raise AssertionError


Write = Callable[[str], Script]


@pytest.fixture
def script(tmp_path: Path) -> Write:
    """Write a script file and load it."""

    def write(text: str) -> Script:
        path = tmp_path / "test.prompt.yml"
        path.write_text(text, encoding="utf-8")
        return load_script(path)

    return write
