"""The engine's own list of devices as referee: PURE. It settles what the probes could not find out.

An accelerator whose memory no probe could read gets the engine's figures; a device that only the engine sees is
added, because what an engine can compute on is there. What a probe knows is not overruled: free memory as the driver
reports it is fresher than an engine's list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from launchpad.hardware.machine import Accelerator, Api, Fact, Machine, Vendor
from launchpad.plugins.spec import EngineDevice

_VENDORS: dict[Api, Vendor] = {"cuda": "nvidia", "rocm": "amd", "metal": "apple"}
_VENDOR_WORDS: tuple[tuple[str, Vendor], ...] = (
    ("nvidia", "nvidia"), ("geforce", "nvidia"), ("rtx", "nvidia"), ("amd", "amd"), ("radeon", "amd"),
    ("intel", "intel"), ("apple", "apple"),
)  # fmt: skip
_NOISE = re.compile(
    r"\b(nvidia|geforce|amd|radeon|intel|arc|graphics|corporation|laptop gpu|\(r\)|\(tm\))\b|[^a-z0-9]+"
)


def referee(machine: Machine, engine: str, devices: Sequence[EngineDevice]) -> Machine:
    """`machine` with what `engine` says of its devices, each addition with its fact."""
    accelerators = list(machine.accelerators)
    facts: list[Fact] = []
    matched: set[int] = set()
    for device in devices:
        if device.api is None:
            continue
        place = _match(device, accelerators, matched)
        if place is None:
            place = len(accelerators)
            accelerators.append(_new(device, place, accelerators))
            facts.append(_fact(place, "name", accelerators[place].name, engine))
        else:
            accelerators[place], filled = _fill(accelerators[place], device)
            facts += [_fact(place, field, str(value), engine) for field, value in filled.items()]
        matched.add(place)
    return replace(machine, accelerators=tuple(accelerators), facts=(*machine.facts, *facts))


def _match(device: EngineDevice, accelerators: Sequence[Accelerator], taken: set[int]) -> int | None:
    """The accelerator that the device is: by name, else the only one left of its vendor."""
    free = [i for i in range(len(accelerators)) if i not in taken]
    name = _plain(device.description or device.name)
    by_name = [
        i
        for i in free
        if name and (_plain(accelerators[i].name) in name or name in _plain(accelerators[i].name))
    ]
    if by_name:
        return by_name[0]
    by_vendor = [i for i in free if accelerators[i].vendor == _vendor(device)]
    return by_vendor[0] if len(by_vendor) == 1 else None


def _fill(accelerator: Accelerator, device: EngineDevice) -> tuple[Accelerator, dict[str, object]]:
    filled: dict[str, object] = {}
    if accelerator.memory_total is None and device.memory_total is not None:
        filled["memory_total"] = device.memory_total
    if accelerator.memory_free is None and device.memory_free is not None:
        filled["memory_free"] = device.memory_free
    if device.api is not None and device.api not in accelerator.apis:
        filled["apis"] = (*accelerator.apis, device.api)
    return replace(accelerator, **filled), filled


def _new(device: EngineDevice, index: int, others: Sequence[Accelerator]) -> Accelerator:
    vendor = _vendor(device)
    assert device.api is not None  # the caller leaves out the CPU
    return Accelerator(
        index=sum(other.vendor == vendor for other in others),
        vendor=vendor,
        name=device.description or device.name,
        apis=(device.api,),
        memory_total=device.memory_total,
        memory_free=device.memory_free,
    )


def _vendor(device: EngineDevice) -> Vendor:
    text = f"{device.description or ''} {device.name}".lower()
    named = next((vendor for word, vendor in _VENDOR_WORDS if word in text), None)
    return named or (_VENDORS.get(device.api, "other") if device.api else "other")


def _plain(name: str) -> str:
    return _NOISE.sub("", name.lower())


def _fact(place: int, field: str, value: str, engine: str) -> Fact:
    return Fact(subject=f"accelerators.{place}.{field}", value=value, evidence=f"device list of {engine}")
