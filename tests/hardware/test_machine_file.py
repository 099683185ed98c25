from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import UsageError
from launchpad.hardware.machine import Machine
from launchpad.hardware.machine_file import parse_machine, read_machine
from launchpad.hardware.reserve import GIB, IDLE_CARD

WORKSTATION = """\
name = "workstation"
os = "windows"
disk_free = "500GB"
download_rate = "12.5MB/s"

[cpu]
model = "Some CPU"
cores_physical = 12
isa = ["avx2", "avx512f"]
bandwidth = "51.2GB/s"

[memory]
total = "64GB"
limit = "32GiB"

[[accelerators]]
device = "RTX 3090"
count = 2
memory_free = "20GB"

[[accelerators]]
name = "Prototype"
vendor = "other"
apis = ["vulkan"]
memory_total = 8589934592
display = true
"""


def read(tmp_path: Path, text: str) -> Machine:
    path = tmp_path / "machine.toml"
    path.write_text(text, encoding="utf-8")
    return read_machine(path)


def test_all_of_it(tmp_path: Path):
    machine = read(tmp_path, WORKSTATION)
    assert (machine.name, machine.os, machine.disk_free, machine.download_rate) == (
        "workstation", "windows", 500 * 10**9, 12.5e6,
    )  # fmt: skip
    assert (machine.cpu.model, machine.cpu.cores_physical, machine.cpu.bandwidth) == ("Some CPU", 12, 51.2e9)
    assert machine.cpu.isa == ("avx2", "avx512f")
    assert (machine.memory.total, machine.memory.limit, machine.memory.available) == (
        64 * GIB,
        32 * GIB,
        32 * GIB,
    )
    first, second, third = machine.accelerators
    assert (first.name, first.index, first.memory_free, first.bandwidth) == ("RTX 3090", 0, 20 * GIB, 936.2e9)
    assert second.index == 1
    assert (third.index, third.memory_total, third.memory_free, third.display) == (
        0, 8 * GIB, 8 * GIB - IDLE_CARD, True,
    )  # fmt: skip
    assert machine.simulated


def test_evidence_is_the_file_where_the_file_says_it(tmp_path: Path):
    machine = read(tmp_path, WORKSTATION)
    told = {fact.subject: fact.evidence for fact in machine.facts}
    assert len(told) == len(machine.facts)
    file = str(tmp_path / "machine.toml")
    for subject in (
        "disk_free",
        "cpu.model",
        "memory.total",
        "accelerators.0.memory_free",
        "accelerators.2.name",
    ):
        assert told[subject] == file, subject
    assert told["accelerators.0.bandwidth"] == "device table"


def test_a_chip_takes_its_size_from_the_machine(tmp_path: Path):
    text = '[memory]\ntotal = "128GB"\n[[accelerators]]\ndevice = "Strix Halo"\nmemory_total = "110GB"\n'
    (gpu,) = read(tmp_path, text).accelerators
    assert (gpu.name, gpu.memory_total, gpu.unified) == ("Ryzen AI Max+ 395", 110 * GIB, True)


def test_main_memory_beside_a_card_is_assumed(tmp_path: Path):
    assert read(tmp_path, '[[accelerators]]\ndevice = "RTX 3090"\n').memory.total == 48 * GIB


def test_a_chip_that_is_not_in_the_table_gets_what_the_system_leaves(tmp_path: Path):
    text = '[memory]\ntotal = "32GB"\n[[accelerators]]\nname = "X"\nvendor = "other"\nmemory_total = "32GB"\nunified = true\n'
    machine = read(tmp_path, text)
    assert machine.accelerators[0].memory_free == machine.memory.available
    assert machine.accelerators[0].unified


WRONG = [
    ("memry = 1", ["memry", "memory"]),
    ("[cpu]\ncore = 4", ["cpu.core", "cores_"]),
    ('[[accelerators]]\ndevise = "RTX 3090"', ["accelerators.0.devise", "'device'"]),
    ('[memory]\ntotal = "much"', ["memory.total", "24GB"]),
    ("[memory]\ntotal = true", ["memory.total"]),
    ("[memory]\ntotal = -1", ["memory.total"]),
    ('os = "beos"', ["os", "linux"]),
    ("", ["memory.total", "missing"]),
    ("[cpu]\ncores_physical = 0", ["cores_physical"]),
    ("cpu = 5", ["cpu", "table"]),
    ("accelerators = 5", ["[[accelerators]]"]),
    ('[[accelerators]]\nname = "X"', ["accelerators.0.vendor", "missing"]),
    ('[[accelerators]]\ndevice = "RTX 3090"\ncount = 65', ["count", "64"]),
    ('[[accelerators]]\ndevice = "RTX 3090"\ncount = 60\n' * 2, ["64"]),
    ('[[accelerators]]\ndevice = "RTX 3090"\nmemory_free = "25GB"', ["memory_free", "more than"]),
    ('[memory]\ntotal = "8GB"\navailable = "9GB"', ["memory.available", "more than"]),
    ('[[accelerators]]\ndevice = "V100"', ["16GB", "32GB"]),
    ('[[accelerators]]\ndevice = "RTX 4091"', ["RTX 4090"]),
    ("[cpu]\nbandwidth = 0", ["cpu.bandwidth"]),
    ("name = [", ["TOML"]),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_errors_name_the_key(tmp_path: Path, text: str, words: list[str]):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_absent_file(tmp_path: Path):
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        read_machine(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text(tmp_path: Path):
    path = tmp_path / "m.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError):
        read_machine(path)
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UsageError, match="too large"):
        read_machine(path)


KEYS = st.sampled_from(
    ["name", "os", "total", "available", "count", "device", "vendor", "memory_total", "unified", "isa", "x"]
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["RTX 3090", "M4 Max", "24GB", "64GB", "nvidia", "linux"]),
)  # fmt: skip
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"cpu": TABLES | VALUES, "memory": TABLES | VALUES, "accelerators": st.lists(TABLES | VALUES, max_size=3) | VALUES, "name": VALUES}
)  # fmt: skip


@given(DOCUMENTS)
def test_no_document_raises_anything_but_a_usage_error(document: dict[str, object]):
    try:
        machine = parse_machine(document, Path("m.toml"))
    except UsageError:
        return
    assert machine.simulated
