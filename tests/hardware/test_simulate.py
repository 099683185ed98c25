from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from launchpad.errors import UsageError
from launchpad.hardware.devices import table
from launchpad.hardware.machine import Machine
from launchpad.hardware.reserve import GIB, IDLE_CARD, metal_working_set
from launchpad.hardware.simulate import simulate
from launchpad.hardware.sizes import shown

# description, devices, memory of each in GiB, main memory in GiB
CARDS = [
    ("RTX 4090", ["RTX 4090"], 24, 48),
    ("rtx4090", ["RTX 4090"], 24, 48),
    ("4090", ["RTX 4090"], 24, 48),
    ("NVIDIA GeForce RTX 4090 24GB", ["RTX 4090"], 24, 48),
    ("RTX 4090 laptop", ["RTX 4090 Laptop"], 16, 32),
    ("RTX4070TiSuper", ["RTX 4070 Ti SUPER"], 16, 32),
    ("RTX 3060", ["RTX 3060"], 12, 32),
    ("RTX 3060 12GB", ["RTX 3060"], 12, 32),
    ("RTX 3060 8 GB", ["RTX 3060 8GB"], 8, 32),
    ("3080 12GB", ["RTX 3080 12GB"], 12, 32),
    ("GTX 1080 Ti", ["GTX 1080 Ti"], 11, 32),
    ("7900xtx", ["RX 7900 XTX"], 24, 48),
    ("2x H100 80GB", ["H100 SXM"] * 2, 80, 320),
    ("8x H100", ["H100 SXM"] * 8, 80, 1280),
    ("8xH100", ["H100 SXM"] * 8, 80, 1280),
    ("RTX 3090 x2", ["RTX 3090"] * 2, 24, 96),
    ("H100 PCIe", ["H100 PCIe"], 80, 160),
    ("A100 80GB", ["A100 80GB SXM"], 80, 160),
    ("2x RTX 3090 + 64GB", ["RTX 3090"] * 2, 24, 64),
    ("2 × RTX 3090, 64GB RAM", ["RTX 3090"] * 2, 24, 64),
    ("RTX 4090 24GB 64GB RAM", ["RTX 4090"], 24, 64),
    ("RTX 4090 with 128 GiB memory", ["RTX 4090"], 24, 128),
    ("Arc B580", ["Arc B580"], 12, 32),
    ("MI300X", ["Instinct MI300X"], 192, 384),
    ("GH200 96GB", ["GH200 96GB"], 96, 192),
]  # fmt: skip
CHIPS = [
    ("M4 Max 64GB", "M4 Max 40-core GPU", 64),
    ("m4max 64gb", "M4 Max 40-core GPU", 64),
    ("MacBook Pro M4 Pro 48GB", "M4 Pro 16-core GPU", 48),
    ("M4 Max 32-core GPU 36GB", "M4 Max 32-core GPU", 36),
    ("Strix Halo 128GB", "Ryzen AI Max+ 395", 128),
    ("Ryzen AI Max+ 395 64GB", "Ryzen AI Max+ 395", 64),
    ("DGX Spark", "GB10", 128),
    ("Radeon 780M 32GB", "Radeon 780M", 32),
    ("780M + 32GB", "Radeon 780M", 32),
    ("Arc 140V 32GB", "Arc 140V", 32),
    ("Steam Deck", "Steam Deck APU", 16),
]
PROCESSORS = [
    ("cpu 16GB", 16, 4),
    ("8GB laptop", 8, 4),
    ("cpu 8GB 4 cores", 8, 4),
    ("64GB, 16 cores", 64, 16),
    ("16G", 16, 4),
]


def evidence(machine: Machine) -> dict[str, str]:
    return {fact.subject: fact.evidence for fact in machine.facts}


@pytest.mark.parametrize(("text", "names", "gib", "ram"), CARDS)
def test_cards(text: str, names: list[str], gib: int, ram: int):
    machine = simulate(text)
    assert [card.name for card in machine.accelerators] == names
    assert [card.index for card in machine.accelerators] == list(range(len(names)))
    for card in machine.accelerators:
        assert card.memory_total == gib * GIB
        assert card.memory_free == gib * GIB - IDLE_CARD
        assert card.bandwidth and card.fp32_flops and card.arch and card.apis
        assert not card.unified
    assert machine.memory.total == ram * GIB
    assert machine.simulated
    assert machine.name == text


@pytest.mark.parametrize(("text", "name", "gib"), CHIPS)
def test_chips(text: str, name: str, gib: int):
    machine = simulate(text)
    (gpu,) = machine.accelerators
    assert (gpu.name, gpu.unified) == (name, True)
    assert machine.memory.total == gib * GIB
    assert gpu.memory_total is not None
    assert gpu.memory_free is not None
    assert gpu.memory_free <= gpu.memory_total <= gib * GIB
    assert machine.memory.available is not None
    assert gpu.memory_free <= machine.memory.available


@pytest.mark.parametrize(("text", "gib", "cores"), PROCESSORS)
def test_machines_without_a_gpu(text: str, gib: int, cores: int):
    machine = simulate(text)
    assert machine.accelerators == ()
    assert (machine.memory.total, machine.cpu.cores_physical) == (gib * GIB, cores)
    assert machine.memory.available is not None
    assert machine.memory.available < gib * GIB


def test_the_processor_can_be_described():
    cpu = simulate("cpu 64GB 16 cores 80GB/s").cpu
    assert (cpu.cores_physical, cpu.bandwidth, cpu.bandwidth_measured) == (16, 8e10, False)


def test_two_kinds_of_cards():
    machine = simulate("RTX 3090 + RX 7900 XTX + RTX 4090 + 64GB")
    assert [(card.vendor, card.index) for card in machine.accelerators] == [
        ("nvidia", 0),
        ("amd", 0),
        ("nvidia", 1),
    ]


def test_what_is_assumed_is_said():
    told = evidence(simulate("RTX 4090"))
    assert told["memory.total"].startswith("assumed: twice")
    assert told["accelerators.0.memory_free"].startswith("assumed: an idle card")
    assert told["accelerators.0.bandwidth"] == "device table"
    assert told["accelerators.0.memory_total"] == "the description"
    assert told["cpu.bandwidth"].startswith("assumed")
    assert evidence(simulate("RTX 4090 + 64GB"))["memory.total"] == "the description"
    assert "H100 PCIe" in evidence(simulate("8x H100"))["accelerators.0.name"]


def test_every_figure_has_its_evidence():
    for text in ("2x RTX 3090 + 64GB", "M4 Max 64GB", "cpu 8GB"):
        machine = simulate(text)
        told = evidence(machine)
        parts = [("cpu", machine.cpu), ("memory", machine.memory)]
        parts += [(f"accelerators.{i}", card) for i, card in enumerate(machine.accelerators)]
        for subject, part in parts:
            for field in set(part.__struct_fields__) - {"index", "vendor", "bandwidth_measured"}:
                assert getattr(part, field) in (None, ()) or told[f"{subject}.{field}"]


def test_a_mac_gets_metals_working_set_and_its_system():
    machine = simulate("M4 Max 64GB")
    assert machine.os == "darwin"
    assert machine.cpu.architecture == "arm64"
    assert machine.accelerators[0].memory_total == metal_working_set(64 * GIB)
    assert simulate("M1 8GB").accelerators[0].memory_free == 8 * GIB * 2 // 3


# description, words of the error
REFUSED = [
    ("V100", ["16GB", "32GB"]),
    ("A100", ["40GB", "80GB"]),
    ("RTX 4060 Ti", ["8GB", "16GB"]),
    ("GTX 1060", ["3GB", "6GB"]),
    ("M4 Max", ["36GB", "128GB"]),
    ("M4 64GB", ["16GB, 24GB or 32GB"]),
    ("RTX 6000", ["Quadro RTX 6000", "RTX 6000 Ada"]),
    ("RX7900", ["RX 7900 XT", "RX 7900 XTX"]),
    ("RTX 4090 64GB", ["sold with 24GB", '"RTX 4090 + 64GB"']),
    ("RTX 4091", ["RTX 4090"]),
    ("rtx 4080 ti", ["RTX 4070 Ti"]),
    ("i7-12700 32GB", ["cpu 32GB"]),
    ("potato", ["potato"]),
    ("780M", ["no memory of its own"]),
    ("0x RTX 4090", ["zero"]),
    ("90x RTX 4090", ["large"]),
    ("cpu 0GB", ["zero"]),
    ("cpu 9999999TB", ["large"]),
    ("2x M4 Max 64GB", ["unified memory"]),
    ("M4 Max 64GB + RTX 4090", ["unified memory"]),
    ("M4 Max 64GB + 32GB", ["no main memory beside"]),
    ("RTX 3060 12GB 32GB", ["two sizes"]),
    ("cpu 16GB + 32GB", ["twice"]),
    ("cpu", ["memory"]),
    ("", ["not described"]),
    ("RTX\x1b[31m 4090", ["not described"]),
    ("RTX 4090 " * 99, ["not described"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_refusal_teaches(text: str, words: list[str]):
    with pytest.raises(UsageError) as caught:
        simulate(text)
    message = str(caught.value)
    assert all(word in message for word in words), message
    for line in (caught.value.what, caught.value.why, caught.value.hint):
        assert line is None or "\n" not in line


def test_every_size_that_an_error_offers_is_understood():
    for device in table():
        for size in device.sizes:
            machine = simulate(f"{device.name} {shown(size)}")
            assert machine.accelerators[0].bandwidth == device.bandwidth, device.name


def test_nothing_of_this_computer_enters(monkeypatch: pytest.MonkeyPatch):
    def explode(*args: object, **more: object) -> None:
        raise AssertionError("the computer at hand was asked")

    for owner, name in [
        (psutil, "virtual_memory"), (psutil, "cpu_count"), (platform, "machine"), (platform, "system"),
        (platform, "node"), (os, "cpu_count"), (os, "sched_getaffinity"), (shutil, "disk_usage"), (subprocess, "Popen"),
    ]:  # fmt: skip
        monkeypatch.setattr(owner, name, explode, raising=False)
    for text in ("2x RTX 3090 + 64GB", "M4 Max 64GB", "cpu 8GB"):
        machine = simulate(text)
        assert (machine.disk_free, machine.download_rate, machine.memory.limit) == (None, None, None)


def test_no_probe_is_even_imported():
    code = (
        "import sys; from launchpad.hardware.simulate import simulate; simulate('RTX 4090');"
        "print(*[m for m in sys.modules if m in ('psutil', 'pynvml') or 'probes' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


WORDS = st.sampled_from(
    [
        "2x",
        "8x",
        "0x",
        "RTX",
        "4090",
        "3060",
        "12GB",
        "64GB",
        "RAM",
        "+",
        ",",
        "with",
        "M4",
        "Max",
        "Ultra",
        "H100",
        "SXM",
        "cpu",
        "cores",
        "16",
        "laptop",
        "Ti",
        "GB/s",
        "50GB/s",
        "x",
        "×",
        "Strix",
        "Halo",
        "780M",
        ".toml",
        "MI50",
        "32GB",
        "SUPER",
        "D",
        "1e9",
        "-5",
        "GB",
        "TB",
        "9999999TB",
    ]
)


@given(st.text())
@example("١x RTX 4090")
@example("cpu ٣GB")
def test_no_text_raises_anything_but_a_usage_error(text: str):
    try:
        machine = simulate(text.replace(".toml", ""))
    except UsageError:
        return
    assert machine.simulated


@given(st.lists(WORDS, min_size=1, max_size=8).map(" ".join))
def test_no_mixture_of_real_words_raises_anything_but_a_usage_error(text: str):
    try:
        machine = simulate(text)
    except UsageError:
        return
    assert machine.simulated
    assert machine.memory.total
    for card in machine.accelerators:
        assert card.memory_total is not None
        assert card.memory_free is not None
        assert 0 <= card.memory_free <= card.memory_total


def test_a_file_is_read(tmp_path: Path):
    path = tmp_path / "box.toml"
    path.write_text('[memory]\ntotal = "16GB"\n')
    assert simulate(str(path)).memory.total == simulate(path).memory.total == 16 * GIB


def test_a_board_without_a_gpu_is_known_by_its_name():
    machine = simulate("Raspberry Pi 5 16GB")
    assert (machine.memory.total, machine.accelerators) == (16 << 30, ())
    assert (machine.cpu.cores_physical, machine.cpu.bandwidth) == (4, 17.1e9)
    assert (machine.cpu.architecture, machine.cpu.isa) == ("aarch64", ("neon", "dotprod"))
