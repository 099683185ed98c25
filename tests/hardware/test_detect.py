from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from launchpad.hardware import bandwidth as bandwidth_module
from launchpad.hardware.bandwidth import Reading
from launchpad.hardware.detect import detect
from launchpad.hardware.machine import Accelerator, Cpu, Machine, Memory, ProbeResult
from launchpad.plugins.probes import launchpad_probes

GIB = 2**30
MIB = 2**20


def found(**parts: Any) -> Machine:
    return detect([("test", lambda: ProbeResult(**parts))], measure_bandwidth=False)


def card(name: str, mib: int, **more: Any) -> Accelerator:
    fields = {"index": 0, "vendor": "nvidia", "name": name, "memory_total": mib * MIB} | more
    return Accelerator(**fields)


def evidence(machine: Machine) -> dict[str, str]:
    return {fact.subject: fact.evidence for fact in machine.facts}


def broken() -> ProbeResult:
    raise RuntimeError("boom\nsecond line")


def test_one_broken_probe_is_one_warning_and_the_rest_is_there():
    machine = detect(
        [("broken", broken), ("good", lambda: ProbeResult(cpu=Cpu(model="A")))], measure_bandwidth=False
    )
    assert machine.warnings == ("Probe broken failed: RuntimeError: boom",)
    assert machine.cpu.model == "A"


def test_no_probe_at_all_still_gives_a_machine():
    machine = detect([], measure_bandwidth=False)
    assert machine.os is not None
    assert machine.disk_free is not None
    assert not machine.simulated


def test_figures_come_from_the_table_of_devices():
    machine = found(accelerators=(card("NVIDIA GeForce RTX 4090", 24564),))
    (gpu,) = machine.accelerators
    assert (gpu.bandwidth, gpu.fp32_flops, gpu.arch) == (1008e9, 82.58e12, "8.9")
    assert evidence(machine)["accelerators.0.bandwidth"] == "device table: RTX 4090"


def test_what_a_probe_knows_is_kept():
    machine = found(accelerators=(card("NVIDIA GeForce RTX 4090", 24564, bandwidth=9e11, arch="8.9"),))
    assert machine.accelerators[0].bandwidth == 9e11
    assert evidence(machine)["accelerators.0.bandwidth"] == "probe test"


def test_an_unlisted_card_stays_unknown():
    (gpu,) = found(accelerators=(card("NVIDIA GeForce RTX 9090", 65536),)).accelerators
    assert (gpu.bandwidth, gpu.fp32_flops) == (None, None)


def test_a_mig_instance_has_its_share_of_the_bandwidth():
    machine = found(accelerators=(card("NVIDIA H100 80GB HBM3 MIG 3g.40gb", 40192),))
    (gpu,) = machine.accelerators
    assert gpu.bandwidth == 3350e9 / 2
    assert gpu.fp32_flops is None
    assert "50% of its memory" in evidence(machine)["accelerators.0.bandwidth"]


def test_every_known_figure_has_its_evidence():
    machine = detect(((p.name, p.probe) for p in launchpad_probes()), measure_bandwidth=False)
    told = evidence(machine)
    parts: list[tuple[str, Any]] = [("cpu", machine.cpu), ("memory", machine.memory)]
    parts += [(f"accelerators.{i}", each) for i, each in enumerate(machine.accelerators)]
    for subject, part in parts:
        for field in set(part.__struct_fields__) - {"index", "vendor", "bandwidth_measured"}:
            if getattr(part, field) not in (None, ()):
                assert told[f"{subject}.{field}"], f"{subject}.{field}"
    assert {"os", "disk_free"} <= set(told)
    assert machine.warnings == ()


def test_the_disk_is_that_of_the_nearest_folder_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "not" / "yet" / "there"))
    machine = found()
    assert machine.disk_free is not None
    assert evidence(machine)["disk_free"] == f"statvfs of {tmp_path}"


def test_a_disk_that_cannot_be_asked_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    def fail(path: object) -> None:
        raise PermissionError("closed")

    monkeypatch.setattr("shutil.disk_usage", fail)
    machine = found()
    assert machine.disk_free is None
    assert "closed" in machine.warnings[0]


def test_a_bandwidth_that_a_probe_knows_is_not_measured(monkeypatch: pytest.MonkeyPatch):
    def explode(*args: object, **more: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(bandwidth_module, "known_or_measured", explode)
    assert detect([("test", lambda: ProbeResult(cpu=Cpu(bandwidth=1e11)))]).cpu.bandwidth == 1e11


def test_a_measured_bandwidth_is_a_fact(monkeypatch: pytest.MonkeyPatch):
    asked: list[bool] = []

    def answer(cpu: Cpu, memory: Memory, *, measure: bool) -> Reading:
        asked.append(measure)
        return Reading(bandwidth=5e10, evidence="measured")

    monkeypatch.setattr(bandwidth_module, "known_or_measured", answer)
    machine = detect([("test", lambda: ProbeResult(memory=Memory(total=GIB)))], measure_bandwidth=True)
    assert (machine.cpu.bandwidth, machine.cpu.bandwidth_measured) == (5e10, True)
    assert evidence(machine)["cpu.bandwidth"] == "measured"
    assert asked == [True]


def test_a_bandwidth_that_could_not_be_measured_is_a_fact_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    def answer(cpu: Cpu, memory: Memory, *, measure: bool) -> Reading:
        return Reading(bandwidth=None, evidence="not measured: other work")

    monkeypatch.setattr(bandwidth_module, "known_or_measured", answer)
    machine = detect([], measure_bandwidth=True)
    assert machine.cpu.bandwidth is None
    assert evidence(machine)["cpu.bandwidth"] == "not measured: other work"


@pytest.mark.skipif(sys.platform != "linux", reason="only there it is promised")
def test_linux_starts_no_process(monkeypatch: pytest.MonkeyPatch):
    def explode(*args: object, **more: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("subprocess.Popen.__init__", explode)
    monkeypatch.setattr("os.posix_spawn", explode)
    monkeypatch.setattr("os.fork", explode)
    machine = detect(((p.name, p.probe) for p in launchpad_probes()), measure_bandwidth=False)
    assert machine.warnings == ()
