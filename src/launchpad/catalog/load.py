"""The packaged catalog: read from the installed package, no network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from launchpad.catalog.filters import Lab as Lab
from launchpad.catalog.model import Model
from launchpad.catalog.packed import SCHEMA, PackedCatalog, unfold
from launchpad.errors import ConfigError

T = TypeVar("T")


@cache
def load_packaged() -> tuple[date, tuple[Model, ...]]:
    """The day that the data speaks of, and all models. Raises `ConfigError` for a damaged installation."""
    packed = _decode("models.json", PackedCatalog)
    if packed.schema != SCHEMA:
        raise _damaged(f"models.json has schema {packed.schema}, this version reads {SCHEMA}")
    return date.fromisoformat(packed.date), tuple(unfold(entry) for entry in packed.models)


@cache
def labs() -> tuple[Lab, ...]:
    """All labs of the catalog, also those without open weights."""
    return _decode("labs.json", tuple[Lab, ...])


def load_evidence(model_id: str) -> Mapping[str, Any] | None:
    """What the figures of one model rest on: scores with source and date, license evidence, remarks.

    None for a model that the packaged catalog does not know.
    """
    start = b'{"id":' + msgspec.json.encode(model_id) + b","
    for line in _read("evidence.jsonl").splitlines():
        if line.startswith(start):
            return msgspec.json.decode(line, type=dict[str, Any])
    return None


_PARTIES = {
    "Open LLM Leaderboard": "Open LLM Leaderboard",
    "LMArena": "LMArena",
    "LiveBench": "LiveBench",
    "BFCL": "Berkeley Function Calling Leaderboard",
    "Aider": "Aider",
}


class _Score(Struct, frozen=True):
    benchmark: str
    kind: str = ""
    date: str | None = None


class _Evidence(Struct, frozen=True):
    scores: tuple[_Score, ...] = ()


@cache
def latest_evidence() -> Mapping[str, str]:
    """The date of the latest figure that each publisher (a name in `Quality.sources`) contributed."""
    latest: dict[str, str] = {}
    decode = msgspec.json.Decoder(_Evidence).decode
    for line in _read("evidence.jsonl").splitlines():
        for score in decode(line).scores:
            name = _publisher(score)
            latest[name] = max(latest.get(name, ""), score.date or "")
    return {name: day for name, day in latest.items() if day}


def _publisher(score: _Score) -> str:
    if score.kind.startswith("self-reported"):
        return "the model's maker"
    return next((party for key, party in _PARTIES.items() if key in score.benchmark), "Artificial Analysis")


def _decode(name: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_read(name), type=kind)
    except msgspec.DecodeError as error:
        raise _damaged(f"{name}: {error}") from error


def _read(name: str) -> bytes:
    try:
        return resources.files("launchpad.catalog").joinpath("data", name).read_bytes()
    except OSError as error:
        raise _damaged(f"{name}: {error}") from error


def _damaged(why: str) -> ConfigError:
    return ConfigError("The packaged catalog cannot be read.", why=why, hint="Reinstall launchpad.")
