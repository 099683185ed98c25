"""Who answers: an engine, a recording of earlier answers, or an echo."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, Timings, Usage
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError, UsageError


class Answerer(Protocol):
    """Answers conversations. `identity` names the weights, as well as they are known before anything is started."""

    @property
    def model(self) -> str:
        """The model's id, as reports name it."""
        ...

    @property
    def identity(self) -> str:
        """The sha256 of the weights, or what comes next to it."""
        ...

    def begin(self) -> Mapping[str, Any]:
        """Get ready; returns the fingerprint: model, engine and hardware, as far as they decide about the text.

        Called once, before the first answer. Raises `LaunchpadError`.
        """
        ...

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        """The pieces of one answer; the last is a `Finish`. Raises `AnswerError`. Thread-safe."""
        ...

    def options(self, asked: ChatOptions) -> ChatOptions:
        """What was asked for, over the model's own defaults."""
        ...

    def alive(self) -> bool:
        """False when no further answer can come."""
        ...

    def close(self) -> None:
        """Release everything; idempotent."""
        ...


class Echo:
    """Answers with the question: for trying out scripts and plumbing."""

    model = identity = "echo"

    def begin(self) -> Mapping[str, Any]:
        """Always ready."""
        return {"model": "echo"}

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        """The last message of the user, word by word."""
        text = next((message.content for message in reversed(messages) if message.role == "user"), "")
        words = text.split(" ")
        for number, word in enumerate(words):
            yield Text(word if number == 0 else f" {word}")
        yield Finish(reason="stop")

    def options(self, asked: ChatOptions) -> ChatOptions:
        """As asked."""
        return asked

    def alive(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing to do."""


class Replay:
    """Answers from a transcript, matched by the messages; equal conversations get their answers in recorded order.

    When the recorded answers to a conversation are used up, the last one is given again.
    """

    def __init__(self, path: str) -> None:
        self._answers: dict[str, deque[Mapping[str, Any]]] = defaultdict(deque)
        self.model = "replay"
        self._fingerprint: Mapping[str, Any] = {}
        self._path = path
        self._load(Path(path))

    def _load(self, path: Path) -> None:
        from launchpad.script.journal import read_lines

        if not path.is_file():
            raise UsageError(
                f"There is no transcript {path}.",
                why="No file has that name.",
                hint="Check --backend replay:FILE.",
            )
        for line in read_lines(path):
            if line.get("type") == "env":
                self.model = str(line.get("model") or self.model)
                self._fingerprint = line.get("fingerprint") or {}
            elif line.get("type") == "message" and isinstance(line.get("asked"), str):
                self._answers[line["asked"]].append(line)
        self.identity = str(self._fingerprint.get("weights") or self.model)
        if not self._answers:
            raise UsageError(
                f"{path} holds no answers.",
                why="It is no transcript of a script.",
                hint="Record one: --transcript FILE.",
            )

    def begin(self) -> Mapping[str, Any]:
        """The fingerprint of the recording."""
        return self._fingerprint

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        """The recorded answer. Raises `AnswerError` when there is none for these messages."""
        found = self._answers.get(message_hash(messages))
        if not found:
            raise AnswerError(
                "The transcript holds no answer to these messages.",
                why=f"Nothing in {self._path} was asked exactly so.",
                hint="Record it again with the engine: the script or its data changed.",
            )
        line = found.popleft() if len(found) > 1 else found[0]
        if line.get("reasoning"):
            yield Reasoning(line["reasoning"])
        yield Text(line.get("content") or "")
        usage = line.get("usage")
        yield Finish(
            reason=line.get("finish_reason") or "stop",
            usage=Usage(prompt=usage["prompt"], completion=usage["completion"]) if usage else None,
            timings=Timings(decode_speed=line.get("tokens_per_second")),
        )

    def options(self, asked: ChatOptions) -> ChatOptions:
        """As asked."""
        return asked

    def alive(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing to do."""


def message_hash(messages: Sequence[Message]) -> str:
    """Names a conversation by its roles and texts."""
    plain = [[message.role, message.content] for message in messages]
    return hashlib.sha256(json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
