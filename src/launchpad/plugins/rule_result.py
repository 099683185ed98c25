"""How a rule of the kit went: data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class RuleResult(Struct, frozen=True, kw_only=True):
    """How one rule of the kit went for one thing that a plugin offers."""

    subject: str
    rule: str
    outcome: Literal["ok", "failed", "skipped"]
    why: str | None = None
