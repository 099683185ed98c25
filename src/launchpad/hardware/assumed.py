"""What a simulated machine has where its description is silent: every assumption, in one place, each a fact.

| not given | assumed |
| --- | --- |
| main memory beside a card | twice the cards' memory, at least 32 GB |
| free memory of a card | all but what drivers keep of an idle card |
| free main memory | all but what an idle desktop takes |
| a chip's share of the main memory | Metal's working set; what CUDA, AMD's or Mesa's driver lets it use |
| cores | 8, without a GPU 4 |
| peak memory bandwidth of the processor | dual-channel DDR4-3200; of a chip, 0.7 of what its GPU has |
| instruction sets | AVX2, or NEON with dot products |
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from launchpad.errors import UsageError
from launchpad.hardware.devices import Device
from launchpad.hardware.machine import Accelerator, Cpu, Fact, Machine, Memory, facts_about
from launchpad.hardware.reserve import GIB, IDLE_CARD, metal_working_set, os_reserve
from launchpad.hardware.resolve import Pick
from launchpad.hardware.sizes import shown

_LEAST_MEMORY = 32 * GIB
_CORES = 8
_CORES_WITHOUT_GPU = 4
_DDR4_3200 = 51.2e9  # bytes/s, two channels
# Processor cores alone cannot draw all that a chip's memory gives: on Strix Halo they decode at 0.38 of its peak,
# where a desktop's reach 0.55 of theirs.
_CHIP_CORES = 0.7
_AMD_SHARE = 0.75
_MESA_SHARE = 0.75
_ARM_CHIPS = ("GH200", "GB10", "Jetson")
_GIVEN = "the description"
_IDLE = "an idle card, of which its driver keeps 465 MiB"


class Given(Struct, frozen=True, kw_only=True):
    """What a description says."""

    name: str
    picks: tuple[Pick, ...] = ()
    memory: int | None = None
    cores: int | None = None
    cpu_bandwidth: float | None = None
    arm: bool = False


def complete(given: Given) -> Machine:
    """The whole machine, each fact with `the description`, `device table` or `assumed: …` as its evidence."""
    chip = _chip(given)
    memory, memory_facts = _memory(given, chip)
    cpu, cpu_facts = _cpu(given, chip)
    system = "darwin" if chip and chip.device.vendor == "apple" else "linux"
    accelerators: list[Accelerator] = []
    facts: list[Fact] = [Fact(subject="os", value=system, evidence="assumed: the usual one")]
    for i, each in enumerate(given.picks):
        index = sum(a.vendor == each.device.vendor for a in accelerators)
        accelerator, sources = accelerator_of(each, index, memory)
        accelerators.append(accelerator)
        facts += facts_about(f"accelerators.{i}", accelerator, _GIVEN, sources)
    return Machine(
        name=given.name,
        os=system,
        cpu=cpu,
        memory=memory,
        accelerators=tuple(accelerators),
        simulated=True,
        facts=(*facts, *cpu_facts, *memory_facts),
    )


def _chip(given: Given) -> Pick | None:
    """The system on a chip that the machine is made of, if it is. Such a machine has one, and nothing beside it."""
    chips = [each for each in given.picks if each.device.unified]
    if not chips:
        return None
    if len(given.picks) > 1:
        raise UsageError(
            f"'{given.name}' joins {chips[0].device.name} with another GPU.",
            why="A chip with unified memory is a whole machine.",
            hint=f'Describe one machine: "{chips[0].device.name} {shown(chips[0].size)}".',
        )
    if given.memory is not None and given.memory != chips[0].size:
        raise UsageError(
            f"{chips[0].device.name} has no main memory beside its {shown(chips[0].size)}.",
            why="Its memory is unified: GPU and processor share it.",
            hint=f'Write "{chips[0].device.name} {shown(chips[0].size)}".',
        )
    return chips[0]


# -- memory -----------------------------------------------------------------------------------------------------


def _memory(given: Given, chip: Pick | None) -> tuple[Memory, tuple[Fact, ...]]:
    cards = sum(each.size for each in given.picks)
    if chip:
        total, said = chip.size, "the chip's unified memory"
    elif given.memory is not None:
        total, said = given.memory, _GIVEN
    else:
        total, said = max(_LEAST_MEMORY, 2 * cards), "assumed: twice the cards' memory, at least 32 GB"
    memory = Memory(total=total, available=total - os_reserve(total))
    sources = {"available": "assumed: an idle desktop takes a quarter, at most 4 GB"}
    return memory, facts_about("memory", memory, said, sources)


def accelerator_of(found: Pick, index: int, memory: Memory) -> tuple[Accelerator, dict[str, str]]:
    """The accelerator of a pick, idle, and the evidence of each field that its name does not give."""
    device = found.device
    most, free, why = _usable(device, found.size, memory)
    accelerator = Accelerator(
        index=index,
        vendor=device.vendor,
        name=device.name,
        apis=device.apis,
        arch=device.arch,
        memory_total=most,
        memory_free=free,
        bandwidth=device.bandwidth,
        fp32_flops=device.fp32_flops,
        unified=device.unified,
    )
    sources = dict.fromkeys(("apis", "arch", "bandwidth", "fp32_flops", "unified"), "device table")
    sources |= {"memory_free": f"assumed: {why}"}
    if device.unified:
        sources["memory_total"] = f"assumed: {why}"
    if found.note:
        sources["name"] = f"assumed: {found.note}"
    return accelerator, sources


def idle(accelerator: Accelerator, memory: Memory) -> tuple[Accelerator, dict[str, str]]:
    """An accelerator that the table does not hold, with its free memory as of an idle one, and the evidence of it."""
    total = accelerator.memory_total or 0
    if accelerator.unified:
        free, why = min(total, memory.available or 0), "all of the memory that the system leaves"
    else:
        free, why = max(0, total - IDLE_CARD), _IDLE
    return replace(accelerator, memory_free=free), {"memory_free": f"assumed: {why}"}


def _usable(device: Device, size: int, memory: Memory) -> tuple[int, int, str]:
    """(most, free, why): what a process can get of the device's memory."""
    available = memory.available or 0
    if not device.unified:
        return size, max(0, size - IDLE_CARD), _IDLE
    if device.vendor == "apple":
        most, why = metal_working_set(size), "Metal's usual working set, 2/3 up to 16 GB and 0.72 above"
    elif device.vendor == "nvidia":
        most, why = size, "all of the memory that the system leaves"
    elif device.vendor == "amd":
        most, why = int(size * _AMD_SHARE), "three quarters of the memory set aside for the GPU"
    else:
        most, why = int(size * _MESA_SHARE), "three quarters of the memory, Mesa's limit"
    return most, min(most, available), why


# -- the processor ----------------------------------------------------------------------------------------------


def _cpu(given: Given, chip: Pick | None) -> tuple[Cpu, tuple[Fact, ...]]:
    cores = given.cores or (_CORES if given.picks else _CORES_WITHOUT_GPU)
    bandwidth, why = _cpu_bandwidth(given, chip)
    arm = given.arm or any(_is_arm(each.device) for each in given.picks)
    apple = chip is not None and chip.device.vendor == "apple"
    cpu = Cpu(
        model=chip.device.name if chip else None,
        architecture="arm64" if apple else "aarch64" if arm else "x86_64",
        cores_physical=cores,
        cores_performance=cores,
        cores_logical=cores,
        cores_available=float(cores),
        isa=("neon", "dotprod") if arm else ("avx2",),
        bandwidth=bandwidth,
    )
    said = _GIVEN if given.cores else "assumed: a usual number of cores"
    sources = {
        "bandwidth": why,
        "architecture": "assumed: the usual one",
        "isa": "assumed: what current ones have",
    }
    return cpu, facts_about("cpu", cpu, said, {**sources, "model": _GIVEN})


def _cpu_bandwidth(given: Given, chip: Pick | None) -> tuple[float, str]:
    if given.cpu_bandwidth:
        return given.cpu_bandwidth, _GIVEN
    if chip and chip.device.bandwidth:
        return chip.device.bandwidth * _CHIP_CORES, f"assumed: {_CHIP_CORES} of the chip's memory bandwidth"
    return _DDR4_3200, "assumed: the peak of dual-channel DDR4-3200"


def _is_arm(device: Device) -> bool:
    return device.vendor == "apple" or device.name.startswith(_ARM_CHIPS)
