"""How many bytes are missing for a goal, with everything that a fit may do to get by."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.catalog.model import Build
from launchpad.explain.result import Goal
from launchpad.explain.subject import Subject, margin, reaches
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

MIB = 1 << 20


def shortfall(
    subject: Subject, goal: Goal, *, build: Build | None = None, wish: Wish | None = None
) -> int | None:
    """Bytes that are missing, negative when so many are left over; None when not known.

    Where cards and main memory can share the layers, no single device is what lacks: then it is the least main memory
    that would have to be added, to the MiB, found with the fit itself.
    """
    least = margin(subject.least(goal, build=build, wish=wish))
    if least is None:
        return None
    if not is_shared(subject, goal):
        return -least
    available = subject.machine.memory.available or 0
    low, high = -(available // MIB), max(0, -least) // MIB + 1
    while low < high:
        middle = (low + high) // 2
        machine = with_memory(subject.machine, middle * MIB)
        fit = subject.attempt(build or subject.build, machine, wish or subject.wish)
        if reaches(fit, goal):
            high = middle
        else:
            low = middle + 1
    return low * MIB


def is_shared(subject: Subject, goal: Goal) -> bool:
    """Whether cards and main memory hold the layers together."""
    cards = any(not usable.gpu.unified for usable in subject.pool.gpus)
    return goal == "run" and cards and not subject.wish.require_gpu


def with_memory(machine: Machine, extra: int) -> Machine:
    """The machine with so much more (or less) main memory available."""
    available = (machine.memory.available or 0) + extra
    return replace(machine, memory=replace(machine.memory, available=available))
