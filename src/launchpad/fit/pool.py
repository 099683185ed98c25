"""What of a machine an engine build can use: its accelerators and main memory, with reserves taken."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from launchpad.fit.memory import MIB, Gpu, Host
from launchpad.fit.result import DeviceMemory
from launchpad.hardware.machine import Accelerator, Machine

API_PREFERENCE = ("cuda", "rocm", "metal", "sycl", "vulkan")
REPACKING_ISA = frozenset({"avx2", "avx512f", "neon", "sve"})
SMALLEST_GPU_RESERVE = 256 * MIB
DISPLAY_RESERVE = 1024 * MIB
SMALLEST_RAM_RESERVE = 512 * MIB
LARGEST_RAM_RESERVE = 8192 * MIB
RAM_RESERVE_PARTS = 12  # one part of main memory in so many: 2 GiB of 24, for a browser and the files in use
TIGHT_SPARE = 128 * MIB
TIGHT_SHARE = 50  # a device that keeps less than one part in so many of what was free is tight


class Usable(Struct, frozen=True, kw_only=True):
    """One accelerator with the API through which the engine uses it."""

    accelerator: Accelerator
    gpu: Gpu


class Pool(Struct, frozen=True, kw_only=True):
    """The memory that a fit may use. `notes` say what had to be left out."""

    gpus: tuple[Usable, ...]
    host: Host
    notes: tuple[str, ...] = ()


def device_name(accelerator: Accelerator) -> str:
    """The name under which a fit lists an accelerator."""
    return f"{accelerator.vendor}:{accelerator.index}"


def gpu_reserve(accelerator: Accelerator) -> int:
    """Bytes that stay free on a GPU: more where a screen is drawn from the same memory."""
    if accelerator.display:
        return DISPLAY_RESERVE
    return max(SMALLEST_GPU_RESERVE, (accelerator.memory_total or 0) // 50)


def ram_reserve(machine: Machine) -> int:
    """Bytes of main memory that stay free for everything else; within a container its limit is all there is."""
    total = machine.memory.total or 0
    total = min(total, machine.memory.limit or total)
    return max(SMALLEST_RAM_RESERVE, min(LARGEST_RAM_RESERVE, total // RAM_RESERVE_PARTS))


def pool(machine: Machine, apis: Collection[str] | None, *, allow_swap: bool = False) -> Pool:
    """The devices that an engine with these APIs can use; None means any API.

    Free memory counts, not total; swap counts only when the user allowed it.
    """
    memory = machine.memory
    free, reserve = memory.available, ram_reserve(machine)
    if allow_swap and free is not None:
        free, reserve = free + (memory.swap_free or 0), 0
    usable: list[Usable] = []
    notes: list[str] = []
    for accelerator in machine.accelerators:
        api = api_of(accelerator, apis)
        if api is None:
            notes.append(f"{accelerator.name} is there, but this engine build cannot use it")
        elif accelerator.memory_free is None and not (accelerator.unified and free is not None):
            notes.append(f"{accelerator.name} is there, but how much of its memory is free is not known")
        else:
            usable.append(_usable(accelerator, api, free, reserve))
    isa = machine.cpu.isa
    repacks = not isa or not REPACKING_ISA.isdisjoint(isa)
    return Pool(
        gpus=tuple(usable), host=Host(free=free, reserve=reserve, repacks=repacks), notes=tuple(notes)
    )


def api_of(accelerator: Accelerator, apis: Collection[str] | None = None) -> str | None:
    """The API through which an engine with these uses an accelerator; None where it has none of them."""
    return next(
        (api for api in API_PREFERENCE if api in accelerator.apis and (apis is None or api in apis)), None
    )


def _usable(accelerator: Accelerator, api: str, ram_free: int | None, ram_reserve: int) -> Usable:
    free = accelerator.memory_free
    reserve = gpu_reserve(accelerator)
    if accelerator.unified:
        # The GPU's budget lies within main memory: the smaller of the two limits holds.
        limits = [
            limit
            for limit in (free, None if ram_free is None else ram_free - ram_reserve)
            if limit is not None
        ]
        free, reserve = max(0, min(limits)), 0
    gpu = Gpu(
        device=device_name(accelerator), api=api, free=free, reserve=reserve, unified=accelerator.unified
    )
    return Usable(accelerator=accelerator, gpu=gpu)


def short_of(devices: tuple[DeviceMemory, ...]) -> DeviceMemory | None:
    """The device that lacks most, None when everything fits."""
    lacking = [device for device in devices if device.spare is None or device.spare < 0]
    return min(lacking, key=lambda device: device.spare or 0, default=None)


def is_tight(device: DeviceMemory) -> bool:
    """True when the device keeps less than the usual margin beyond its reserve."""
    return device.spare is not None and device.spare < max(TIGHT_SPARE, (device.free or 0) // TIGHT_SHARE)
