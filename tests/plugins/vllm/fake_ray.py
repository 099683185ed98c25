"""A simulated Ray: its nodes are those of ray_facts, and whatever is to run on one runs here, when its answer is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def init(**_: object) -> None:
    pass


def nodes() -> list[dict[str, Any]]:
    return [
        {"NodeID": name, "NodeManagerAddress": address, "Alive": True, "Resources": {"GPU": 2.0}}
        for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))
    ]


class Task:
    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def options(self, **_: object) -> Task:
        return self

    def remote(self, *arguments: object) -> Answer:
        return Answer(lambda: self._function(*arguments))


class Answer:
    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call


def remote(**_: object) -> Callable[[Callable[..., Any]], Task]:
    return Task


def wait(asked: list[Answer], **_: object) -> tuple[list[Answer], list[Answer]]:
    return asked, []


def get(answer: Answer) -> Any:
    return answer.call()
