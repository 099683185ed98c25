"""The JSON documents of `run`, `chat` and `sessions`; `documents` lists them with all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from launchpad.chat.listing import SessionView
from launchpad.engines.server import EngineReport
from launchpad.fit.result import Confirmation, Settings


class Answer(Struct, frozen=True, kw_only=True):
    """`run --json`: the answer, apart from it the reasoning, and what it took. Speeds in tokens/s, times in seconds.

    `json` is the answer's value where it was asked for with a schema.
    `engine` is what really happened, beside what was `planned`; `memory` compares the two per device.
    """

    model: str
    build: str
    backend: str
    answer: str
    json: Any
    reasoning: str
    finish_reason: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    prefill_speed: float | None
    decode_speed: float | None
    first_token: float | None
    engine: EngineReport
    planned: Settings
    memory: Confirmation | None


class SessionList(Struct, frozen=True, kw_only=True):
    """`sessions --json`: the one that was used last first."""

    sessions: tuple[SessionView, ...]


class SessionExport(Struct, frozen=True, kw_only=True):
    """`sessions export --json`: what was said, as OpenAI's API writes messages."""

    name: str
    model: str | None
    messages: tuple[Mapping[str, Any], ...]


class SessionsRemoved(Struct, frozen=True, kw_only=True):
    """`sessions rm --json`."""

    names: tuple[str, ...]
