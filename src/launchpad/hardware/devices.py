"""The packaged table of GPUs and systems on a chip, and finding a device in it by what drivers or people call it.

A name is compared as a set of tokens ("NVIDIA GeForce RTX 4090 Laptop GPU" -> rtx, 4090, laptop), so that word
order, makers' prefixes and trademarks do not matter, but every word that tells two devices apart does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from launchpad.hardware.machine import Api, Vendor
from launchpad.hardware.reserve import GIB

Tokens = frozenset[str]

# Words that never tell two devices apart.
_NOISE = frozenset(
    [
        "nvidia",
        "geforce",
        "amd",
        "ati",
        "advanced",
        "micro",
        "devices",
        "inc",
        "intel",
        "corporation",
        "apple",
        "radeon",
        "tesla",
        "instinct",
        "graphics",
        "gpu",
        "generation",
        "series",
        "edition",
        "workstation",
        "server",
        "design",
        "dual",
        "slot",
        "nvgpu",
        "developer",
        "engineering",
        "reference",
        "kit",
        "module",
    ]
)
# How the same thing is written elsewhere. H100s on an SXM board report their memory's kind instead.
_SAME = {"mobile": "laptop", "hbm3": "sxm"} | {f"sxm{n}": "sxm" for n in range(2, 7)}
_FORM = frozenset({"sxm", "pcie"})
SIZE = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,2})?) ?(?:gib|gb|g)\b")
# A driver may count a little less (ECC, firmware) or more than the size on the box.
_SIZE_SLACK = (0.88, 1.03)
# Devices that cannot be told apart are taken for the slowest when they are this close.
_NEAR = 1.15


class Device(Struct, frozen=True, kw_only=True):
    """One row: memory sizes sold in bytes (empty = shared with the system), bytes/s, FLOP/s."""

    name: str
    aliases: tuple[str, ...]
    vendor: Vendor
    unified: bool
    sizes: tuple[int, ...]
    bandwidth: float | None
    fp32_flops: float | None
    arch: str | None
    apis: tuple[Api, ...]

    def sold_size(self, memory: int) -> int | None:
        """The size sold that a driver's `memory` stands for, or None when there is none like it."""
        low, high = _SIZE_SLACK
        fitting = [size for size in self.sizes if low <= memory / size <= high]
        return min(fitting, key=lambda size: abs(size - memory), default=None)


class Found(Struct, frozen=True, kw_only=True):
    """The device to take the figures from, and how it was found, for the evidence."""

    device: Device
    evidence: str


@cache
def table() -> tuple[Device, ...]:
    """All devices, in the file's order."""
    path = files("launchpad.hardware") / "data" / "devices.json"
    document = msgspec.json.decode(path.read_bytes())
    rows = (dict(zip(document["columns"], row, strict=True)) for row in document["devices"])
    return tuple(_device(row) for row in rows)


def _device(row: dict[str, Any]) -> Device:
    sizes = [int(size * GIB) for size in row.pop("memory_gib")]
    return msgspec.convert({**row, "sizes": sizes}, Device)


def tokens(name: str) -> Tokens:
    """The words of a device's name that tell it from others; memory sizes are left out."""
    text = re.sub(r"\(r\)|\(tm\)|[®™+]", " ", name.lower())
    text = re.sub(r"\bmax-q\b", "maxq", text)
    text = re.sub(r"(\d+)[- ]cores?\b", r"\1core", text)
    text = re.sub(r"[-_/,()\[\]]", " ", SIZE.sub(" ", text))
    words = (_SAME.get(word, word) for word in text.split())
    return frozenset(w for w in words if w not in _NOISE and not re.fullmatch(r"\d+eu", w))


@cache
def keys(device: Device) -> tuple[Tokens, ...]:
    """What the device answers to: its name and its aliases, as tokens."""
    return tuple(tokens(name) for name in (device.name, *device.aliases))


@cache
def vocabulary() -> frozenset[str]:
    """Every token of every device."""
    return frozenset().union(*(key for device in table() for key in keys(device)))


def look_up(vendor: Vendor, name: str, memory: int | None = None, arch: str | None = None) -> Found | None:
    """The device that a driver calls `name`, or None when the table does not clearly hold it.

    `memory` in bytes tells variants apart. When the driver knows no model's name ("AMD Radeon Graphics"), `arch`
    and `memory` decide if they leave one choice.
    """
    mine = [device for device in table() if device.vendor == vendor]
    words = tokens(name)
    if words & vocabulary():
        return _agreed(_sized(_named(mine, words), memory))
    if arch is None:
        return None
    same = _sized([device for device in mine if device.arch == arch], memory)
    return _agreed(same, f", the only {arch} of this size")


def _named(devices: list[Device], words: Tokens) -> list[Device]:
    """Devices of exactly this name; failing that, of this name in a form factor, or as a laptop's part."""
    for wanted in (words, words - _FORM, words | {"laptop"}):
        if found := [d for d in devices if any(wanted in (key, key - _FORM) for key in keys(d))]:
            exact = [d for d in found if wanted in keys(d)]
            return exact or found
    # Systems on a chip are listed by details that their drivers do not mention (GPU cores).
    return nearest([d for d in devices if d.unified], words)


def nearest(devices: Iterable[Device], words: Tokens) -> list[Device]:
    """Devices whose name holds all of `words` and as few others as possible: "M4" is no M4 Max."""
    surplus = {d: min((len(k - words) for k in keys(d) if words <= k), default=None) for d in devices}
    fewest = min((n for n in surplus.values() if n is not None), default=None)
    return [d for d, n in surplus.items() if n is not None and n == fewest]


def _sized(devices: list[Device], memory: int | None) -> list[Device]:
    """Those sold with this much memory. A unified device's memory is no mark of it unless it decides."""
    if memory is None:
        return devices
    fitting = [d for d in devices if not d.sizes or d.sold_size(memory)]
    return fitting or [d for d in devices if d.unified]


def _agreed(devices: list[Device], how: str = "") -> Found | None:
    """The slowest of `devices` if they hardly differ."""
    if not alike(devices):
        return None
    slowest = min(devices, key=lambda d: (d.bandwidth or 0, d.fp32_flops or 0))
    note = how if len(devices) == 1 else f", the slowest of {len(devices)} that match"
    return Found(device=slowest, evidence=f"device table: {slowest.name}{note}")


def alike(devices: list[Device]) -> bool:
    """Whether it hardly matters for speed which of `devices` it is."""
    speeds = [d.bandwidth for d in devices if d.bandwidth]
    return bool(speeds) and len(speeds) == len(devices) and max(speeds) <= min(speeds) * _NEAR
