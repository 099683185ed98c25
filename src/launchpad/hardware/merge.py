"""From what several probes found to one set of facts: nothing absurd, nothing twice, each fact with its source."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchpad.hardware.machine import Accelerator, Cpu, Fact, Memory, ProbeResult, facts_about

PartT = TypeVar("PartT", bound=Struct)

# More than any machine has (bytes, bytes/s, FLOP/s, cores): beyond it a figure is a unit mixed up or an overflow.
_MOST_BYTES = 2.0**50
_MOST_CORES = 2.0**16
_LIMITS: dict[str, tuple[float, float]] = {  # field: least, most
    "cores_physical": (1, _MOST_CORES),
    "cores_performance": (1, _MOST_CORES),
    "cores_logical": (1, _MOST_CORES),
    "cores_available": (0.001, _MOST_CORES),
    "bandwidth": (1e6, 1e15),
    "fp32_flops": (1e6, 1e19),
    "total": (1, _MOST_BYTES),
    "available": (0, _MOST_BYTES),
    "limit": (1, _MOST_BYTES),
    "swap_free": (0, _MOST_BYTES),
    "memory_total": (1, _MOST_BYTES),
    "memory_free": (0, _MOST_BYTES),
}
_AT_MOST = (("available", "total"), ("memory_free", "memory_total"))  # part of, whole
_ACCELERATOR = re.compile(r"accelerators\.(\d+)(?=\.|$)")


class Merged(Struct, frozen=True, kw_only=True):
    """What all probes found together."""

    os: str | None = None
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    accelerators: tuple[Accelerator, ...] = ()
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()


def merge(results: Iterable[tuple[str, object]]) -> Merged:
    """Put the probes' results together. What an earlier probe knows is kept; a later one fills what is None."""
    merged = Merged()
    for name, result in results:
        checked = check(name, result)
        merged = _add(merged, name, checked)
    return merged


def check(name: str, result: object) -> ProbeResult:
    """`result` without what cannot be true; a warning that names the probe for each thing left out."""
    try:
        if not isinstance(result, ProbeResult):
            raise TypeError(f"expected ProbeResult, got {type(result).__name__}")
        result = msgspec.convert(msgspec.to_builtins(result), ProbeResult)
    except (TypeError, ValueError, OverflowError, msgspec.ValidationError) as error:
        return ProbeResult(warnings=(f"Probe {name} was ignored: its result is malformed ({error}).",))
    warnings: list[str] = []
    cpu = result.cpu and _plausible(name, "cpu", result.cpu, warnings)
    memory = result.memory and _plausible(name, "memory", result.memory, warnings)
    accelerators = tuple(
        _plausible(name, f"accelerators.{i}", part, warnings) for i, part in enumerate(result.accelerators)
    )
    return replace(
        result, cpu=cpu, memory=memory, accelerators=accelerators, warnings=(*result.warnings, *warnings)
    )


def _plausible(probe: str, subject: str, part: PartT, warnings: list[str]) -> PartT:
    """`part` with every impossible figure unknown and every name printable."""
    changes: dict[str, Any] = {}
    for field in part.__struct_fields__:
        value = getattr(part, field)
        if isinstance(value, str):
            changes[field] = "".join(c for c in value if c.isprintable()).strip()[:200]
        elif field in _LIMITS and value is not None and not _within(value, *_LIMITS[field]):
            warnings.append(f"Probe {probe} reported {subject}.{field} = {value}, which was left out.")
            changes[field] = None
    part = replace(part, **changes)
    for inner, whole in _AT_MOST:
        amount, most = getattr(part, inner, None), getattr(part, whole, None)
        if amount is not None and most is not None and amount > most:
            warnings.append(
                f"Probe {probe} reported {subject}.{inner} = {amount}, more than the {whole}; left out."
            )
            part = replace(part, **{inner: None})
    return part


def _within(value: float, least: float, most: float) -> bool:
    return math.isfinite(value) and least <= value <= most


def _add(merged: Merged, name: str, result: ProbeResult) -> Merged:
    accelerators = list(merged.accelerators)
    before = len(accelerators)
    places = [_place(accelerators, part, before) for part in result.accelerators]
    cpu = _filled(merged.cpu, result.cpu)
    memory = _filled(merged.memory, result.memory)
    new = Merged(
        os=merged.os or result.os,
        cpu=cpu,
        memory=memory,
        accelerators=tuple(accelerators),
        warnings=merged.warnings + result.warnings,
    )
    return replace(new, facts=merged.facts + _new_facts(merged, new, name, result, places))


def _filled(known: PartT, found: PartT | None) -> PartT:
    """`known` with its unknown fields taken from `found`."""
    if found is None:
        return known
    missing = [f for f in known.__struct_fields__ if getattr(known, f) in (None, ())]
    if "bandwidth" in missing and isinstance(known, Cpu):
        missing.append("bandwidth_measured")  # says something of that figure alone
    return replace(known, **{field: getattr(found, field) for field in missing})


def _place(accelerators: list[Accelerator], part: Accelerator, before: int) -> int:
    """Where `part` goes: onto the same device as an earlier probe reported it (the first `before`), or at the end."""
    for i, known in enumerate(accelerators[:before]):
        if _same(known, part):
            accelerators[i] = _filled(known, part)
            return i
    accelerators.append(part)
    return len(accelerators) - 1


def _same(one: Accelerator, other: Accelerator) -> bool:
    if one.vendor != other.vendor:
        return False
    if one.pci and other.pci:
        return one.pci.lower() == other.pci.lower()
    return one.index == other.index


def _new_facts(
    old: Merged, new: Merged, probe: str, result: ProbeResult, places: list[int]
) -> tuple[Fact, ...]:
    """The facts behind what `result` added. What a probe did not explain is said by the probe itself."""
    told = {fact.subject for fact in old.facts}
    given = {_moved(fact, places).subject: fact.evidence for fact in result.facts}
    facts = []
    for fact in _all_facts(new, f"probe {probe}"):
        if fact.subject not in told:
            facts.append(replace(fact, evidence=given.pop(fact.subject, fact.evidence)))
    stated = {fact.subject for fact in facts} | told
    extra = [_moved(fact, places) for fact in result.facts]
    return (*facts, *(fact for fact in extra if fact.subject not in stated and not _is_field(fact.subject)))


def _moved(fact: Fact, places: list[int]) -> Fact:
    """`fact` about the probe's own n-th accelerator, told of its place among all."""
    match = _ACCELERATOR.match(fact.subject)
    if match is None or int(match[1]) >= len(places):
        return fact
    return replace(fact, subject=f"accelerators.{places[int(match[1])]}{fact.subject[match.end() :]}")


def _all_facts(merged: Merged, evidence: str) -> tuple[Fact, ...]:
    system = () if merged.os is None else (Fact(subject="os", value=merged.os, evidence=evidence),)
    parts = [("cpu", merged.cpu), ("memory", merged.memory)]
    parts += [(f"accelerators.{i}", part) for i, part in enumerate(merged.accelerators)]
    return system + tuple(fact for subject, part in parts for fact in facts_about(subject, part, evidence))


def _is_field(subject: str) -> bool:
    """True for a field of the machine: the fact then stands or falls with the field's value."""
    head, _, field = _ACCELERATOR.sub("accelerators", subject).partition(".")
    types: dict[str, type[Struct]] = {"cpu": Cpu, "memory": Memory, "accelerators": Accelerator}
    return subject == "os" or (head in types and field in types[head].__struct_fields__)
