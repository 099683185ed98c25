"""Versions below which an engine or library has a known hole: dated data, `floors.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct


class Floor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The oldest good version of a backend's engine, or of a Python distribution."""

    name: str
    version: str
    why: str
    backend: str | None = None
    distribution: str | None = None


class Floors(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them, and the day on which they were looked over."""

    date: str
    floor: tuple[Floor, ...]


@cache
def floors() -> Floors:
    """The packaged list."""
    text = Path(__file__).with_name("floors.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Floors)


def is_below(version: str, floor: str) -> bool | None:
    """Whether `version` is older than `floor`; None when it cannot be told.

    llama.cpp counts builds (`b8146`); a wheel of it has the build as the last of its numbers (`2026.10.11549`).
    """
    have, need = _numbers(version), _numbers(floor)
    if not have or not need:
        return None
    if len(need) == 1 and len(have) > 1:
        have = have[-1:]
    return have < need


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; what follows a letter (`rc1`, `+cpu`) is left out."""
    found = re.match(r"[bv]?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else ()
