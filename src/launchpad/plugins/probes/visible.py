"""Which GPUs the environment lets a process use: CUDA_VISIBLE_DEVICES and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def visible(devices: Sequence[tuple[T, str | None]], allowed: str | None) -> tuple[list[T], int]:
    """The devices that `allowed` names, in the devices' own order, and how many it hides.

    `devices` are pairs of a device and its unique name. `allowed` is a list of positions or beginnings of unique
    names; like CUDA, reading stops at the first that names no device. None allows all, an empty text none.
    """
    if allowed is None:
        return [device for device, _ in devices], 0
    kept: set[int] = set()
    for entry in allowed.split(","):
        place = _place(entry.strip(), [name for _, name in devices])
        if place is None:
            break
        kept.add(place)
    return [device for i, (device, _) in enumerate(devices) if i in kept], len(devices) - len(kept)


def _place(entry: str, names: Sequence[str | None]) -> int | None:
    if entry.isdecimal():
        return int(entry) if len(entry) < 6 and int(entry) < len(names) else None
    matches = [i for i, name in enumerate(names) if entry and name and name.lower().startswith(entry.lower())]
    return matches[0] if len(matches) == 1 else None
