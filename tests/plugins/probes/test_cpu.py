from __future__ import annotations

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes.cpu import CpuProbe, allowed_cores, linux_cpu, parse_cpuinfo, topology

# Written, in the format of /proc/cpuinfo of x86 kernels.
X86 = """\
processor	: {n}
vendor_id	: GenuineIntel
model name	: 13th Gen Intel(R) Core(TM) i7-13700H
physical id	: 0
core id		: {core}
cpu cores	: 2
flags		: fpu vme sse2 avx avx2 avx_vnni
"""
ZEN_4 = ("avx2", "avx512f", "avx512_vnni")
ARM_V8_2 = ("neon", "dotprod")
# Captured /proc/cpuinfo -> model, instruction sets, cores, processors (of the excerpt).
CAPTURED = [
    ("ryzen-9-5950x", "AMD Ryzen 9 5950X 16-Core Processor", ("avx2",), 1, 1),
    ("epyc-9654", "AMD EPYC 9654 96-Core Processor", ZEN_4, 1, 1),
    ("ryzen-9-9950x", "AMD Ryzen 9 9950X 16-Core Processor", (*ZEN_4, "avx_vnni"), 1, 1),
    ("xeon-8480", "Intel(R) Xeon(R) Platinum 8480+", (*ZEN_4, "avx_vnni", "amx_int8"), 1, 1),
    ("core-ultra-9-285", "Intel(R) Core(TM) Ultra 9 285", ("avx2", "avx_vnni"), 1, 1),
    ("core-i7-8650u", "Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", ("avx2",), 4, 8),
    ("lakefield", "Intel(R) Core(TM) i5-L16G7 CPU @ 1.40GHz", (), 5, 5),
    ("2x-xeon-silver-4108", "Intel(R) Xeon(R) Silver 4108 CPU @ 1.80GHz", ("avx2", "avx512f"), 16, 32),
    ("graviton-1", "Cortex-A72", ("neon",), None, 1),
    ("neoverse-n1", "Neoverse-N1", ARM_V8_2, None, 1),
    ("neoverse-v1", "Neoverse-V1", ("neon", "sve", "i8mm", "dotprod"), None, 1),
    ("neoverse-n2", "Neoverse-N2", ("neon", "sve", "i8mm", "dotprod"), None, 1),
    ("neoverse-v2", "Neoverse-V2", ("neon", "sve", "i8mm", "dotprod"), None, 1),
    ("neoverse-v3ae", "Neoverse-V3AE", ("neon", "sve", "i8mm", "dotprod"), None, 1),
    ("olympus", "Olympus", ("neon", "sve", "i8mm", "dotprod"), None, 1),
    ("ampere-1", "Ampere-1", ("neon", "i8mm", "dotprod"), None, 1),
    ("ampere-1a", "Ampere-1a", ("neon", "i8mm", "dotprod"), None, 1),
    ("kunpeng-920", "Kunpeng-920", ARM_V8_2, None, 4),
    ("a64fx", "A64FX", ("neon", "sve"), None, 1),
    ("asahi-m1", "Apple M1", ARM_V8_2, None, 1),
    ("asahi-m2", "Apple M2", ("neon", "i8mm", "dotprod"), None, 1),
    ("odroid-c2", "Cortex-A53", ("neon",), None, 4),
    ("odroid-xu3", "ARMv7 Processor rev 3 (v7l)", ("neon",), None, 8),
    ("raspberry-pi-b", None, (), None, 1),
    ("spacemit-x60", "Spacemit(R) X60", (), None, 1),
]  # fmt: skip


def x86(*cores: int) -> str:
    return "\n".join(X86.format(n=n, core=core) for n, core in enumerate(cores)) + "\n"


def cpus(tree, siblings: dict[int, str], more: dict[str, str] | None = None):
    base = "sys/devices/system/cpu"
    return tree(
        {f"{base}/cpu{n}/topology/thread_siblings_list": s for n, s in siblings.items()} | (more or {})
    )


def test_x86_with_hyper_threads():
    info = parse_cpuinfo(x86(0, 0, 1, 1))
    assert info.model == "13th Gen Intel(R) Core(TM) i7-13700H"
    assert (info.cores, info.processors) == (2, 4)
    assert info.isa == ("avx2", "avx_vnni")


@pytest.mark.parametrize(("machine", "model", "isa", "cores", "processors"), CAPTURED)
def test_captured_cpuinfo(captured, machine, model, isa, cores, processors):
    info = parse_cpuinfo(captured(f"cpuinfo/{machine}.txt"))
    assert (info.model, info.isa) == (model, isa)
    assert (info.cores, info.processors) == (cores, processors)


@pytest.mark.parametrize(
    ("machine", "physical", "performance"),
    [
        ("2x-xeon-silver-4108", 16, 16),
        ("xeon-e5-cpu0-offline", 17, 17),  # /sys says that 4-20 are online
        ("kunpeng-920", 4, 4),  # whose kernel ends a list with a null byte
        ("lakefield", 5, 5),  # whose kernel, 5.3, does not tell the small cores from the big one
    ],
)
def test_captured_topology(tree, captured_files, machine: str, physical: int, performance: int):
    found = topology(tree(captured_files(f"sysfs/topology-{machine}.json")))
    assert (found.physical, found.performance) == (physical, performance)


def test_nothing_is_known_of_an_empty_file():
    info = parse_cpuinfo("")
    assert (info.model, info.isa, info.cores, info.processors) == (None, (), None, 0)


def test_topology_counts_cores_not_threads(tree):
    found = topology(cpus(tree, {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}))
    assert (found.physical, found.performance) == (2, 2)


def test_intel_efficiency_cores(tree):
    siblings = {0: "0-1", 1: "0-1", 2: "2", 3: "3"}
    root = cpus(tree, siblings, {"sys/devices/cpu_core/cpus": "0-1", "sys/devices/cpu_atom/cpus": "2-3"})
    found = topology(root)
    assert (found.physical, found.performance) == (3, 1)
    assert "cpu_core" in found.evidence


def test_arm_efficiency_cores(tree):
    capacity = {0: 446, 1: 446, 2: 1024, 3: 871}
    more = {f"sys/devices/system/cpu/cpu{n}/cpu_capacity": str(c) for n, c in capacity.items()}
    found = topology(cpus(tree, {n: str(n) for n in capacity}, more))
    assert (found.physical, found.performance) == (4, 2)


def test_topology_is_unknown_without_sysfs(tree):
    assert topology(tree({})).physical is None


def test_quota_below_affinity_counts(tree, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    root = tree(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": "1 2 0:29 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            "sys/fs/cgroup/cpu.max": "250000 100000",
        }
    )
    cores, evidence = allowed_cores(root)
    assert cores == 2.5
    assert evidence.endswith("cpu.max")


def test_affinity_counts_without_a_quota(tree, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert allowed_cores(tree({})) == (2.0, "sched_getaffinity")


def test_every_known_field_has_its_evidence(tree):
    root = cpus(tree, {0: "0-1", 1: "0-1"}, {"proc/cpuinfo": x86(0, 0)})
    result = linux_cpu(root)
    assert result.cpu is not None
    known = {"model", "architecture", "cores_physical", "cores_performance", "cores_logical", "isa"}
    assert {f"cpu.{f}" for f in known} <= {fact.subject for fact in result.facts}
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert evidence["cpu.model"] == "/proc/cpuinfo"
    assert evidence["cpu.cores_physical"] == "/sys/devices/system/cpu"


def test_board_without_a_model_name_is_called_by_the_device_tree(tree):
    root = tree({"proc/cpuinfo": "processor : 0\n", "proc/device-tree/model": "Some Board\0"})
    result = linux_cpu(root)
    assert result.cpu is not None
    assert result.cpu.model == "Some Board"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the real /proc")
def test_this_machine():
    cpu = CpuProbe().probe().cpu
    assert cpu is not None
    assert cpu.cores_logical == os.cpu_count()
    assert cpu.cores_available is not None
    assert 0 < cpu.cores_available <= cpu.cores_logical


@given(st.text())
def test_no_text_breaks_the_parser(text: str):
    parse_cpuinfo(text)


FRAGMENTS = st.sampled_from(
    [
        "processor",
        "\t: ",
        "0x41",
        "CPU implementer",
        "CPU part",
        "flags",
        " avx2",
        "physical id",
        "core id",
        "\n",
        "\n\n",
        "7",
    ]
)


@given(st.lists(FRAGMENTS).map("".join))
def test_no_mixture_of_real_pieces_breaks_the_parser(text: str):
    info = parse_cpuinfo(text)
    assert info.processors >= 0
    assert info.model is None or info.model
