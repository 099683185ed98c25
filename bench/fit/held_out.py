"""Errors of the speed formulas with each device left out of the constants of its own family.

An entry of a family's table that only the device at hand supports is removed, so that the next general one serves it;
one that others support is scaled until those are right in the median. Constants shared by a whole backend stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from facts import Row, accelerator_of
from msgspec import structs
from speed_errors import Error, errors

from launchpad.fit import speed
from launchpad.hardware.machine import Accelerator

TABLES = {"decode": "efficiency", "prefill": "flops"}


def held_out(facts: Row, devices: Row) -> Iterator[Error]:
    """Each run, predicted without what its own device told about its family."""
    accelerators = {device["id"]: accelerator_of(device) for device in devices["devices"]}
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in facts["rows"]:
        rows[row.get("backend") or "", row["hardware"]].append(row)
    found = [error for error in errors(facts, devices) if error.group in TABLES]
    for group, backend, hardware in sorted({(e.group, e.backend, e.hardware) for e in found}):
        table = getattr(speed.BACKENDS[backend], TABLES[group])
        key = _key(table, accelerators[hardware])
        others = [
            error
            for error in found
            if (error.group, error.backend) == (group, backend)
            and error.hardware != hardware
            and _key(table, accelerators[error.hardware]) == key
        ]
        changed = dict(table)
        if others:
            changed[key] *= median(error.truth / error.ours.value for error in others)
        elif key:
            del changed[key]
        own = {"rows": rows[backend, hardware]}
        yield from _predicted_with(backend, TABLES[group], changed, group, own, devices)


def _predicted_with(
    backend: str, table: str, changed: dict[str, float], group: str, facts: Row, devices: Row
) -> list[Error]:
    kept = speed.BACKENDS[backend]
    speed.BACKENDS[backend] = structs.replace(kept, **{table: changed})
    try:
        return [error for error in errors(facts, devices) if error.group == group]
    finally:
        speed.BACKENDS[backend] = kept


def _key(table: dict[str, float], accelerator: Accelerator) -> str:
    """The entry that serves a device: the longest prefix of its architecture, else its vendor, else the general one."""
    arch = (accelerator.arch or "").lower()
    prefixes = [prefix for prefix in table if prefix and arch.startswith(prefix)]
    if prefixes:
        return max(prefixes, key=len)
    return accelerator.vendor if accelerator.vendor in table else ""
