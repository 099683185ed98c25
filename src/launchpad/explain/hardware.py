"""How much memory would have to be freed or bought: each answer was tried with the fit itself."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from launchpad.explain.result import Change, Goal
from launchpad.explain.shortfall import shortfall
from launchpad.explain.subject import Subject, reaches
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Accelerator, Machine
from launchpad.hardware.reserve import IDLE_CARD, metal_working_set, os_reserve

GIB = 1 << 30
STEP = 1 << 26  # 64 MiB: nobody closes programs by the megabyte
MEMORY_SIZES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)  # GiB, as sold
CARD_SIZES = (8, 10, 12, 16, 20, 24, 32, 48, 80, 96, 141, 192, 288)
SEVERAL_CARDS = ((2, 80), (4, 80), (8, 80), (8, 141), (8, 192), (8, 288))  # servers, as sold


def free_change(subject: Subject, goal: Goal) -> Change | None:
    """What other programs would have to give back; None when the device does not have that much at all."""
    missing = shortfall(subject, goal)
    if missing is None or missing <= 0:
        return None
    most = -(-missing // STEP)
    grown: Callable[[int], Machine] = lambda step: _with_free(subject.machine, goal, step * STEP)  # noqa: E731
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if reaches(_attempt(subject, grown(middle)), goal):
            high = middle
        else:
            low = middle + 1
    machine = grown(low)
    if not _possible(machine, goal):
        return None
    fit = _attempt(subject, machine)
    ok = reaches(fit, goal)
    size = low * STEP
    where = "GPU memory" if goal == "gpu" else "memory"
    return Change(
        kind="free",
        text=f"{_gib(size)} more of {where} free",
        saves=size,
        lacks=0 if ok else None,
        reaches=ok,
        fit=fit if ok else None,
    )


def memory_change(subject: Subject, goal: Goal) -> Change | None:
    """The smallest main memory, as it is sold, with which the same machine reaches the goal."""
    machine = subject.machine
    unified = any(accelerator.unified for accelerator in machine.accelerators)
    if goal == "gpu" and not unified:
        return None
    total = machine.memory.total
    for size in MEMORY_SIZES:
        if total is not None and size * GIB <= total:
            continue
        fit = _attempt(subject, _with_memory(machine, size * GIB))
        if reaches(fit, goal):
            return Change(
                kind="memory",
                text=f"main memory of {size} GB" if not unified else f"the same machine with {size} GB",
                saves=size * GIB - total if total else None,
                lacks=0,
                reaches=True,
                fit=fit,
            )
    return None


def gpu_change(subject: Subject) -> Change | None:
    """The smallest GPU, as they are sold, that holds everything; several where the largest is too small."""
    if any(accelerator.unified for accelerator in subject.machine.accelerators):
        return None
    present = max((item.memory_total or 0 for item in subject.machine.accelerators), default=0)
    options = [(1, size) for size in CARD_SIZES if size * GIB > present]
    for count, size in (*options, *SEVERAL_CARDS):
        cards = tuple(_card(index, size * GIB) for index in range(count))
        fit = _attempt(subject, replace(subject.machine, accelerators=cards))
        if reaches(fit, "gpu"):
            what = f"a GPU with {size} GB" if count == 1 else f"{count} GPUs with {size} GB"
            return Change(kind="gpu", text=what, lacks=0, reaches=True, fit=fit)
    return None


def _attempt(subject: Subject, machine: Machine) -> Fit | None:
    return subject.attempt(subject.build, machine, subject.wish)


def _with_free(machine: Machine, goal: Goal, extra: int) -> Machine:
    """The machine with so much more free memory: on the GPUs for the goal "gpu", else in main memory."""
    accelerators = tuple(
        replace(item, memory_free=item.memory_free + extra)
        if item.memory_free is not None and (goal == "gpu" or item.unified)
        else item
        for item in machine.accelerators
    )
    available = machine.memory.available
    if available is not None and (goal == "run" or any(item.unified for item in accelerators)):
        available += extra
    memory = replace(machine.memory, available=available)
    return replace(machine, accelerators=accelerators, memory=memory)


def _possible(machine: Machine, goal: Goal) -> bool:
    """Whether so much can be free: what the system itself keeps cannot."""
    memory = machine.memory
    if goal == "gpu":
        return all(
            item.memory_free is None
            or item.memory_total is None
            or item.memory_free <= item.memory_total - IDLE_CARD
            for item in machine.accelerators
        )
    if memory.total is None or memory.available is None:
        return False
    most = min(memory.total, memory.limit or memory.total)
    return memory.available <= most - os_reserve(memory.total) // 2


def _with_memory(machine: Machine, total: int) -> Machine:
    """The machine with so much main memory, of which an idle system takes its share."""
    memory = replace(machine.memory, total=total, available=total - os_reserve(total), limit=None)
    accelerators = tuple(
        replace(item, memory_total=metal_working_set(total), memory_free=metal_working_set(total))
        if item.unified
        else item
        for item in machine.accelerators
    )
    return replace(machine, memory=memory, accelerators=accelerators)


def _card(index: int, size: int) -> Accelerator:
    """An idle NVIDIA card of that size; nothing is said about its speed."""
    return Accelerator(
        index=index,
        vendor="nvidia",
        name=f"a card with {size // GIB} GB",
        apis=("cuda",),
        memory_total=size,
        memory_free=size - IDLE_CARD,
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
