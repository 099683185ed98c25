"""A check and its result. PURE."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["ok", "note", "warn", "fail"]


class Check(Struct, frozen=True, kw_only=True):
    """One line. "note" is worth knowing, "warn" costs something, "fail" keeps something from working.

    `evidence` is what was seen and where; `fix` what to do about it.
    """

    name: str
    state: State
    evidence: str
    fix: str | None = None


class Diagnosis(Struct, frozen=True, kw_only=True):
    """All checks, in the order of the way from the hardware to an answer."""

    launchpad: str
    python: str
    system: str
    floors_date: str
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing keeps anything from working."""
        return all(check.state != "fail" for check in self.checks)
