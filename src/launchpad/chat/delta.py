"""What arrives while a model answers: frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Text(Struct, frozen=True):
    """A piece of the answer."""

    text: str


class Reasoning(Struct, frozen=True):
    """A piece of what the model thinks before and while it answers."""

    text: str


class ToolCall(Struct, frozen=True, kw_only=True):
    """The model asks for a tool; `id` is the engine's own, "" where it gives none. Comes whole, before the `Finish`."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens counted by the engine. `cached` are those of the prompt that it did not compute again."""

    prompt: int
    completion: int
    cached: int | None = None

    @property
    def total(self) -> int:
        """Tokens of the context that this turn occupies."""
        return self.prompt + self.completion


class Timings(Struct, frozen=True, kw_only=True):
    """Speeds measured by the engine, tokens/s. None = too little was computed to measure."""

    prefill_speed: float | None = None
    decode_speed: float | None = None


class Finish(Struct, frozen=True, kw_only=True):
    """The end of an answer; always the last delta. `reason` is the engine's own word: stop, length, tool_calls, …"""

    reason: str
    usage: Usage | None = None
    timings: Timings | None = None


Delta = Text | Reasoning | ToolCall | Finish
