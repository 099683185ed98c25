"""The file of measurements: written, read, bounded, and never a reason to fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from launchpad.fit.calibration import Figures, Measurement
from launchpad.fit.result import Settings
from launchpad.hardware.machine import Accelerator, Cpu, Machine, Memory
from launchpad.launcher import measurements

MACHINE = Machine(
    name="m", os="linux", cpu=Cpu(model="EPYC", cores_physical=2), memory=Memory(total=24 << 30)
)


def one(model: str = "m", machine: Machine = MACHINE) -> Measurement:
    return Measurement(
        time="2026-11-01T10:00:00+00:00",
        source="run",
        machine=measurements.fingerprint(machine),
        backend="llamacpp",
        engine="llama.cpp b1",
        placement="cpu:cpu",
        model=model,
        build="key",
        size=1,
        settings=Settings(context=4096),
        predicted=Figures(decode=100),
        measured=Figures(decode=90),
    )


def test_what_is_recorded_is_loaded_in_order() -> None:
    assert measurements.load(MACHINE) == ()
    measurements.record(one("a"))
    measurements.record(one("b"))
    assert [found.model for found in measurements.load(MACHINE)] == ["a", "b"]


def test_another_machine_s_measurements_are_not_ours() -> None:
    other = replace(MACHINE, accelerators=(Accelerator(index=0, vendor="nvidia", name="RTX 4090"),))
    measurements.record(one(machine=other))
    assert measurements.load(MACHINE) == ()
    assert len(measurements.load(other)) == 1


def test_free_memory_and_bandwidth_do_not_make_another_machine() -> None:
    busier = replace(
        MACHINE, memory=Memory(total=24 << 30, available=1 << 30), cpu=replace(MACHINE.cpu, bandwidth=1e9)
    )
    assert measurements.fingerprint(busier) == measurements.fingerprint(MACHINE)


def test_damaged_lines_and_other_versions_are_skipped() -> None:
    measurements.record(one("a"))
    path = measurements.measurements_path()
    good = path.read_bytes()
    later = good.replace(b'"version":1', b'"version":2')
    path.write_bytes(b"\xff\xfe\n{}\n[" + b"[" * 5000 + b"\n" + later + good + b'{"version":1,"ti')
    measurements.record(one("b"))
    assert [found.model for found in measurements.load(MACHINE)] == ["a", "b"]


def test_the_oldest_go_when_there_are_too_many() -> None:
    measurements.record(one("first"))
    path = measurements.measurements_path()
    path.write_bytes(path.read_bytes() * measurements.MOST)
    measurements.record(one("last"))
    found = measurements.load(MACHINE)
    assert len(found) == measurements.MOST
    assert found[-1].model == "last"


def test_a_file_that_cannot_be_ours_is_left_alone_when_read() -> None:
    path = measurements.measurements_path()
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(measurements.LONGEST_FILE + 1)
    assert measurements.load(MACHINE) == ()


def test_a_place_that_cannot_be_written_to_is_no_error() -> None:
    blocked = measurements.measurements_path().parent
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where the folder should be")
    measurements.record(one())
    assert measurements.load(MACHINE) == ()


def test_several_launches_at_once_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "LOCK_SECONDS", 60.0)  # a launch gives up rather than wait for long
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: measurements.record(one(str(number))), range(12)))
    assert {found.model for found in measurements.load(MACHINE)} == {str(number) for number in range(12)}
