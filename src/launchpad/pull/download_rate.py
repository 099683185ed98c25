"""How fast pulls were on this machine: remembered, so that a download can be announced with its time."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec
from msgspec import Struct

from launchpad.events import Event, PullFinished
from launchpad.paths import cache_dir

SMALLEST_PULL = 10_000_000  # bytes; less says more about the latency than about the line
_WEIGHT = 0.5  # of the newest pull in the remembered rate


class _Remembered(Struct, frozen=True):
    rate: float


def remembered_rate() -> float | None:
    """Bytes per second of the last pulls; None when nothing was pulled yet."""
    try:
        rate = msgspec.json.decode((cache_dir() / "download-rate.json").read_bytes(), type=_Remembered).rate
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return rate if 1.0 <= rate < 1e12 else None


def remember(event: Event) -> None:
    """Take note of a finished pull. A cache: a disk that refuses is not worth a word."""
    if not isinstance(event, PullFinished) or event.size < SMALLEST_PULL or event.seconds <= 0:
        return
    rate, before = event.size / event.seconds, remembered_rate()
    if before is not None:
        rate = _WEIGHT * rate + (1 - _WEIGHT) * before
    with suppress(OSError):
        path = cache_dir() / "download-rate.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_bytes(msgspec.json.encode(_Remembered(rate)))
        draft.replace(path)
