"""What is known about the machine: frozen data, every fact with its evidence, `None` for unknown.

Units: bytes, bytes per second, FLOP per second, hertz. A figure is never guessed into these types; where one
was derived (a bandwidth from a table of devices, say) the `Fact` of the same name says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Vendor = Literal["nvidia", "amd", "intel", "apple", "other"]
Api = Literal["cuda", "rocm", "vulkan", "metal", "sycl"]


class Fact(Struct, frozen=True, kw_only=True):
    """One statement about the machine and where it comes from.

    `subject` is a dotted path (`memory.available`, `accelerators.0.bandwidth`), `evidence` the file, call, tool
    or table that said so.
    """

    subject: str
    value: str
    evidence: str


class Cpu(Struct, frozen=True, kw_only=True):
    """The processor. `bandwidth` in bytes/s is what all cores together were seen to read (`bandwidth_measured`), else
    the memory's theoretical peak.
    """

    model: str | None = None
    architecture: str | None = None  # as `platform.machine()` names it: x86_64, arm64, aarch64
    cores_physical: int | None = None
    cores_performance: int | None = None  # physical cores that are not efficiency cores
    cores_logical: int | None = None
    cores_available: float | None = None  # after affinity and the container's CPU quota
    isa: tuple[str, ...] = ()  # of avx2, avx512f, avx512_vnni, avx_vnni, amx_int8, neon, sve, i8mm, dotprod
    bandwidth: float | None = None
    bandwidth_measured: bool = False


class Memory(Struct, frozen=True, kw_only=True):
    """Main memory in bytes. `available` already respects the container's `limit`."""

    total: int | None = None
    available: int | None = None
    limit: int | None = None  # cgroup v1/v2 limit, None when there is none
    swap_free: int | None = None


class Accelerator(Struct, frozen=True, kw_only=True):
    """One GPU (or unified-memory GPU) as its driver reports it.

    `memory_free` is what a new process could take now. With `unified` the memory is the machine's own and must
    never be added to it. `arch` is the CUDA compute capability ("8.9"), the AMD gfx target ("gfx1100") or the
    vendor's family name.
    """

    index: int
    vendor: Vendor
    name: str
    apis: tuple[Api, ...] = ()
    arch: str | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    bandwidth: float | None = None
    fp32_flops: float | None = None
    unified: bool = False
    driver: str | None = None
    display: bool | None = None  # True when a screen is attached, so that more memory is kept in reserve
    pci: str | None = None  # bus address ("0000:01:00.0"): the same card as two probes see it


class Node(Struct, frozen=True, kw_only=True):
    """One computer of a cluster, as far as the others need to know it.

    `name` is unique in the cluster; `address` is where the others reach it (None: not known, or simulated).
    """

    name: str
    address: str | None = None
    memory: Memory = Memory()
    accelerators: tuple[Accelerator, ...] = ()


class Cluster(Struct, frozen=True, kw_only=True):
    """Several computers that can hold one model together. The first node is the machine that the cluster belongs to.

    `interconnect` is what the network between two nodes carries, in bytes/s (None: not known). `live` is the dashboard
    of the running cluster that told all this (None: a description did).
    """

    nodes: tuple[Node, ...]
    interconnect: float | None = None
    live: str | None = None


class Machine(Struct, frozen=True, kw_only=True):
    """Everything that a fit needs to know of one computer, and of the `cluster` that it is the head of, if it is of one.

    All other fields speak of this computer alone: an engine that cannot span nodes needs no more.
    `simulated` machines (`--on`) come from a description, or from a live cluster (`cluster.live`); nothing of the computer at hand leaks into them.
    `disk_free` is counted where models are stored.
    """

    name: str
    os: str | None = None  # linux, darwin, windows
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    accelerators: tuple[Accelerator, ...] = ()
    disk_free: int | None = None
    download_rate: float | None = None  # bytes/s, None when never measured
    cluster: Cluster | None = None
    simulated: bool = False
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()


def with_freed(machine: Machine, freed: Mapping[str, int]) -> Machine:
    """The machine with so many bytes more free, by device ("cpu", or an accelerator's "<vendor>:<index>")."""
    memory, shared = machine.memory, 0
    accelerators = []
    for one in machine.accelerators:
        more = freed.get(f"{one.vendor}:{one.index}", 0)
        shared += more if one.unified else 0
        accelerators.append(replace(one, memory_free=_plus(one.memory_free, more, one.memory_total)))
    available = _plus(memory.available, freed.get("cpu", 0) + shared, memory.limit or memory.total)
    return replace(machine, memory=replace(memory, available=available), accelerators=tuple(accelerators))


def _plus(free: int | None, more: int, most: int | None) -> int | None:
    """What is free with `more`; unknown stays unknown."""
    if free is None or not more:
        return free
    return free + more if most is None else max(free, min(free + more, most))


class ProbeResult(Struct, frozen=True, kw_only=True):
    """What one probe found; absent parts are None. `hardware.detect` merges several of them into a `Machine`."""

    os: str | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    accelerators: tuple[Accelerator, ...] = ()
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()


# Fields that say nothing of the machine by themselves.
_SELF_EVIDENT = frozenset({"index", "vendor", "bandwidth_measured"})


def facts_about(
    subject: str, part: Struct, evidence: str, other: Mapping[str, str] | None = None
) -> tuple[Fact, ...]:
    """One fact for each field of `part` that is known, in the order of the fields.

    `subject` is the path of `part` ("cpu", "accelerators.0"). `other` names the evidence of the fields that come
    from elsewhere.
    """
    sources = other or {}
    known = ((name, getattr(part, name)) for name in part.__struct_fields__)
    return tuple(
        Fact(subject=f"{subject}.{name}", value=_shown(value), evidence=sources.get(name, evidence))
        for name, value in known
        if value not in (None, ()) and name not in _SELF_EVIDENT
    )


def _shown(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
