"""Apple silicon: the processor and its GPU, from sysctl and system_profiler."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from typing import Any

from msgspec import Struct

from launchpad.plugins import Accelerator, Cpu, ProbeResult, facts_about, metal_working_set
from launchpad.plugins.probes.files import whole
from launchpad.plugins.probes.memory import read_system

_MIB = 2**20
_TIMEOUT = 5.0  # s
_KEYS = (
    "machdep.cpu.brand_string",
    "hw.physicalcpu",
    "hw.logicalcpu",
    "hw.perflevel0.physicalcpu",
    "hw.memsize",
    "hw.optional.avx2_0",
    "hw.optional.avx512f",
    "hw.optional.neon",
    "hw.optional.arm.FEAT_DotProd",
    "hw.optional.arm.FEAT_I8MM",
    "iogpu.wired_limit_mb",
)
_ISA = {
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.neon": "neon",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
}


class Gpu(Struct, frozen=True, kw_only=True):
    """An Apple GPU as system_profiler lists it."""

    name: str
    display: bool


class AppleProbe(Struct, frozen=True):
    """Runs sysctl and system_profiler, both part of macOS."""

    name: str = "apple"

    def probe(self) -> ProbeResult:
        """The GPU of an Apple chip; nothing on a Mac with an Intel processor, where Metal cannot run engines well."""
        values = parse_sysctl(_run("sysctl", *_KEYS))
        gpu = parse_displays(_run("system_profiler", "SPDisplaysDataType", "-json"))
        system = read_system()
        return unified_gpu(values, gpu, system.total, system.available)


def cpu() -> ProbeResult:
    """The processor of this Mac."""
    return cpu_from(parse_sysctl(_run("sysctl", *_KEYS)))


def cpu_from(values: dict[str, str]) -> ProbeResult:
    """The processor that these sysctl values describe."""
    processor = Cpu(
        model=values.get("machdep.cpu.brand_string") or None,
        architecture=platform.machine() or None,
        cores_physical=whole(values.get("hw.physicalcpu")),
        cores_performance=whole(values.get("hw.perflevel0.physicalcpu"))
        or whole(values.get("hw.physicalcpu")),
        cores_logical=whole(values.get("hw.logicalcpu")),
        cores_available=whole(values.get("hw.logicalcpu")),
        isa=tuple(name for key, name in _ISA.items() if values.get(key) == "1"),
    )
    facts = facts_about("cpu", processor, "sysctl", {"architecture": "platform.machine"})
    return ProbeResult(cpu=processor, facts=facts)


def unified_gpu(values: dict[str, str], gpu: Gpu | None, total: int, available: int) -> ProbeResult:
    """The GPU with as much of the main memory as Metal lets a process keep in use."""
    if gpu is None:
        return ProbeResult()
    raised = whole(values.get("iogpu.wired_limit_mb")) or 0
    limit = min(raised * _MIB, total) if raised > 0 else metal_working_set(total)
    accelerator = Accelerator(
        index=0,
        vendor="apple",
        name=gpu.name,
        apis=("metal",),
        memory_total=limit,
        memory_free=min(limit, available),
        unified=True,
        display=gpu.display,
    )
    said = (
        "sysctl iogpu.wired_limit_mb" if raised > 0 else "Metal's usual share of the main memory (hw.memsize)"
    )
    sources = dict.fromkeys(("memory_total", "memory_free"), said)
    facts = facts_about("accelerators.0", accelerator, "system_profiler SPDisplaysDataType", sources)
    return ProbeResult(accelerators=(accelerator,), facts=facts)


def parse_sysctl(output: str) -> dict[str, str]:
    """The lines "name: value" of sysctl; names that a Mac does not have are simply missing."""
    pairs = (line.partition(": ") for line in output.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def parse_displays(output: str) -> Gpu | None:
    """The Apple GPU in system_profiler's JSON, its number of cores in its name ("Apple M4 Max (40-core GPU)")."""
    try:
        entries = json.loads(output)["SPDisplaysDataType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("spdisplays_vendor") == "sppci_vendor_Apple":
            return _gpu(entry)
    return None


def _gpu(entry: dict[str, Any]) -> Gpu:
    name = str(entry.get("sppci_model") or entry.get("_name") or "Apple GPU")
    cores = str(entry.get("sppci_cores") or "")
    label = f"{name} ({cores}-core GPU)" if cores.isdecimal() else name
    return Gpu(name=label, display=bool(entry.get("spdisplays_ndrvs")))


def _run(*command: str) -> str:
    """What a system tool prints, in English; empty when it cannot be run."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")
