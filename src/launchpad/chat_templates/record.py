"""The templates that a model has had on this machine: one small file for each place that models come from.

What cannot be read is as if it were not there; a disk that refuses is not worth failing a launch for.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.reference import parse
from launchpad.errors import LaunchpadError
from launchpad.paths import data_dir

_VERSION = 1
_LARGEST = 1 << 20
MOST = 64  # sets of templates that are kept of one place


class Seen(Struct, frozen=True, kw_only=True):
    """The templates that `ref` had, by name their sha256, first seen on `day`; `engines`: what each made of the default one."""

    templates: dict[str, str]
    ref: str
    day: str
    engines: dict[str, str] = {}


class Record(Struct, frozen=True, kw_only=True):
    """All that were seen at one place, the latest last."""

    place: str
    seen: tuple[Seen, ...] = ()
    version: int = _VERSION

    def find(self, templates: dict[str, str]) -> Seen | None:
        """When exactly these were seen first."""
        return next((one for one in self.seen if one.templates == templates), None)


def place_of(ref: str) -> str:
    """Where a build comes from, whatever its revision and quantization: these share their templates."""
    try:
        reference = parse(ref)
    except LaunchpadError:
        return ref
    if reference.kind != "place":
        return ref
    return replace(reference, revision=None, quantization=None).canonical


def load(place: str) -> Record:
    """What is known of `place`; nothing when nothing can be read."""
    try:
        with _path(place).open("rb") as file:
            record = msgspec.json.decode(file.read(_LARGEST), type=Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Record(place=place)
    return record if (record.version, record.place) == (_VERSION, place) else Record(place=place)


def remember(record: Record, seen: Seen) -> None:
    """Keep `seen` as the latest, in place of what was known of the same templates."""
    others = tuple(one for one in record.seen if one.templates != seen.templates)
    kept = replace(record, seen=(*others, seen)[-MOST:])
    path = _path(record.place)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(kept))
        draft.replace(path)


def _path(place: str) -> Path:
    name = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return data_dir() / "templates" / f"{name}.json"
