"""The JSON documents of `sessions`; `documents` lists them with all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from launchpad.chat.listing import SessionView


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
