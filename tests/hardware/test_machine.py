from __future__ import annotations

from launchpad.hardware.machine import Cpu, Fact, facts_about


def test_facts_about_what_is_known_only():
    cpu = Cpu(model="X", isa=("avx2", "neon"), cores_physical=4)
    facts = facts_about("cpu", cpu, "/proc/cpuinfo", {"cores_physical": "sysfs"})
    assert facts == (
        Fact(subject="cpu.model", value="X", evidence="/proc/cpuinfo"),
        Fact(subject="cpu.cores_physical", value="4", evidence="sysfs"),
        Fact(subject="cpu.isa", value="avx2, neon", evidence="/proc/cpuinfo"),
    )


def test_nothing_known_no_facts():
    assert facts_about("cpu", Cpu(), "x") == ()
