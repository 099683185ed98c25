"""The packaged catalog: read from the installed package, no network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from launchpad.catalog.model import Model
from launchpad.catalog.packed import SCHEMA, PackedCatalog, unfold
from launchpad.errors import ConfigError

T = TypeVar("T")


class Lab(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A maker of models; `open_weights` is False for labs that publish none, kept so that a search finds the answer."""

    id: str
    name: str
    country: str | None = None  # ISO 3166 alpha-2
    open_weights: bool = True
    remark: str | None = None


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
