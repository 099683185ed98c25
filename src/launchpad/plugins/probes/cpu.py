"""The processor: model, cores that are worth a thread, instruction sets, and how much of it this process may use."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from msgspec import Struct

from launchpad.plugins import Cpu, ProbeResult, facts_about
from launchpad.plugins.probes.arm import core_names
from launchpad.plugins.probes.cgroup import cpu_limit
from launchpad.plugins.probes.files import ROOT, cpu_list, number, text

# Instruction sets that an engine's speed depends on, by the names that Linux gives them.
_ISA = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "amx_int8": "amx_int8",
    "asimd": "neon",
    "neon": "neon",
    "sve": "sve",
    "i8mm": "i8mm",
    "asimddp": "dotprod",
}
# Cores with less than this share of the strongest core's capacity are efficiency cores.
_PERFORMANCE = 0.75


class CpuInfo(Struct, frozen=True, kw_only=True):
    """What /proc/cpuinfo says: the model's name, instruction sets, cores (x86 only) and logical processors."""

    model: str | None
    isa: tuple[str, ...]
    cores: int | None
    processors: int


class Topology(Struct, frozen=True, kw_only=True):
    """Cores as Linux arranges them; None = unknown."""

    physical: int | None = None
    performance: int | None = None
    evidence: str = ""


class CpuProbe(Struct, frozen=True):
    """Reads /proc and /sys on Linux, sysctl on macOS, the registry on Windows."""

    root: Path = ROOT
    name: str = "cpu"

    def probe(self) -> ProbeResult:
        """The processor of this machine."""
        if sys.platform == "darwin":
            from launchpad.plugins.probes.apple import cpu

            return cpu()
        if sys.platform == "win32":
            from launchpad.plugins.probes.windows import cpu

            return cpu()
        return linux_cpu(self.root)


def linux_cpu(root: Path = ROOT) -> ProbeResult:
    """The processor as Linux describes it below `root`."""
    info = parse_cpuinfo(text(root / "proc/cpuinfo") or "")
    cores = topology(root)
    available, allowed_by = allowed_cores(root)
    physical = cores.physical or info.cores
    cpu = Cpu(
        model=info.model or text(root / "proc/device-tree/model") or None,
        architecture=platform.machine() or None,
        cores_physical=physical,
        cores_performance=cores.performance or physical,
        cores_logical=info.processors or None,
        cores_available=available,
        isa=info.isa,
    )
    sources = {
        "model": "/proc/cpuinfo" if info.model else "/proc/device-tree/model",
        "architecture": "platform.machine",
        "cores_available": allowed_by,
    }
    if cores.physical:
        sources["cores_physical"] = "/sys/devices/system/cpu"
    if cores.performance:
        sources["cores_performance"] = cores.evidence
    return ProbeResult(cpu=cpu, facts=facts_about("cpu", cpu, "/proc/cpuinfo", sources))


# -- /proc/cpuinfo ----------------------------------------------------------------------------------------------


def parse_cpuinfo(cpuinfo: str) -> CpuInfo:
    """The text of /proc/cpuinfo, of an x86 or an Arm kernel."""
    processors = [_fields(block) for block in cpuinfo.replace("\r", "").split("\n\n")]
    processors = [fields for fields in processors if "processor" in fields]
    # Old Arm kernels describe the board after the processors, once for all.
    board = _fields(cpuinfo)
    first = processors[0] if processors else board
    flags = set((first.get("flags") or first.get("features") or board.get("features") or "").split())
    cores = {(p["physical id"], p["core id"]) for p in processors if "physical id" in p and "core id" in p}
    return CpuInfo(
        model=first.get("model name") or _arm_names(processors) or None,
        isa=tuple(dict.fromkeys(name for flag, name in _ISA.items() if flag in flags)),
        cores=len(cores) or None,
        processors=len(processors),
    )


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip().lower(): value.strip() for key, colon, value in pairs if colon}


def _arm_names(processors: list[dict[str, str]]) -> str:
    return core_names(
        (_hexadecimal(p.get("cpu implementer")), _hexadecimal(p.get("cpu part"))) for p in processors
    )


def _hexadecimal(written: str | None) -> int:
    try:
        return int(written or "-1", 16)
    except ValueError:
        return -1


# -- cores ------------------------------------------------------------------------------------------------------


def topology(root: Path = ROOT) -> Topology:
    """Physical cores and, of them, performance cores, from sysfs."""
    folders = list(root.glob("sys/devices/system/cpu/cpu[0-9]*"))
    siblings = {int(f.name[3:]): text(f / "topology/thread_siblings_list") for f in folders}
    cores = {threads: cpu for cpu, threads in sorted(siblings.items(), reverse=True) if threads}
    firsts = frozenset(cores.values())
    if not firsts:
        return Topology()
    strong, evidence = _performance_cpus(root, firsts)
    return Topology(physical=len(firsts), performance=len(strong) or len(firsts), evidence=evidence)


def _performance_cpus(root: Path, firsts: frozenset[int]) -> tuple[frozenset[int], str]:
    """Of one CPU per core, those on performance cores: Intel names them, Arm kernels rate every core."""
    devices = root / "sys/devices"
    if (atoms := cpu_list(text(devices / "cpu_atom/cpus"))) and (devices / "cpu_core").exists():
        return firsts - atoms, "/sys/devices/cpu_core/cpus"
    capacity = {cpu: number(devices / f"system/cpu/cpu{cpu}/cpu_capacity") or 0 for cpu in firsts}
    most = max(capacity.values())
    if most:
        strong = frozenset(cpu for cpu, value in capacity.items() if value >= _PERFORMANCE * most)
        return strong, "/sys/devices/system/cpu/cpu*/cpu_capacity"
    return firsts, "the kernel lists no efficiency cores"


def allowed_cores(root: Path = ROOT) -> tuple[float | None, str]:
    """How many cores' worth of time this process may use, and who says so: affinity or the container's quota."""
    affinity, said = _affinity()
    quota = cpu_limit(root)
    if quota and (affinity is None or quota.cores < affinity):
        return quota.cores, quota.evidence
    return affinity, said


def _affinity() -> tuple[float | None, str]:
    if sys.platform == "linux":
        try:
            return float(len(os.sched_getaffinity(0))), "sched_getaffinity"
        except OSError:
            pass
    return os.cpu_count(), "os.cpu_count"
