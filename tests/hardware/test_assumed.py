from __future__ import annotations

import pytest

from launchpad.errors import UsageError
from launchpad.hardware.assumed import Given, complete
from launchpad.hardware.reserve import GIB
from launchpad.hardware.resolve import pick


def test_what_is_given_is_not_assumed():
    given = Given(name="box", picks=(pick("RTX 4090", None),), memory=96 * GIB, cores=24, cpu_bandwidth=7e10)
    machine = complete(given)
    assert (machine.memory.total, machine.cpu.cores_physical, machine.cpu.bandwidth) == (96 * GIB, 24, 7e10)
    told = {fact.subject: fact.evidence for fact in machine.facts}
    assert {told[s] for s in ("memory.total", "cpu.cores_physical", "cpu.bandwidth")} == {"the description"}


def test_memory_beside_cards_grows_with_them():
    four = complete(Given(name="box", picks=(pick("RTX 3090", None),) * 4))
    one = complete(Given(name="box", picks=(pick("RTX 3050", 6 * GIB),)))
    assert four.memory.total == 192 * GIB
    assert one.memory.total == 32 * GIB


@pytest.mark.parametrize(
    ("name", "size", "architecture", "isa"),
    [
        ("M4", 16, "arm64", "neon"),
        ("DGX Spark", 128, "aarch64", "neon"),
        ("Strix Halo", 64, "x86_64", "avx2"),
    ],
)
def test_chips_bring_their_architecture(name: str, size: int, architecture: str, isa: str):
    cpu = complete(Given(name=name, picks=(pick(name, size * GIB),))).cpu
    assert cpu.architecture == architecture
    assert isa in cpu.isa


def test_a_chip_stands_alone():
    chip = pick("DGX Spark", None)
    with pytest.raises(UsageError, match="joins"):
        complete(Given(name="x", picks=(chip, chip)))


def test_bandwidth_that_is_not_given_is_a_peak_and_not_a_measurement():
    plain = complete(Given(name="cpu 16GB", memory=16 * GIB)).cpu
    chip = complete(Given(name="x", picks=(pick("Strix Halo", 64 * GIB),))).cpu
    assert (plain.bandwidth, plain.bandwidth_measured) == (51.2e9, False)
    assert chip.bandwidth == pytest.approx(0.7 * 256e9)
