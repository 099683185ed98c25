from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.hardware import bandwidth as module
from launchpad.hardware.bandwidth import (
    MIB,
    Reading,
    Unmeasurable,
    buffer_bytes,
    known_or_measured,
    last_level_cache,
    measured,
)
from launchpad.hardware.machine import Cpu, Memory

GIB = 2**30
CPU = Cpu(model="A", cores_physical=1, cores_available=1.0)
MEMORY = Memory(total=16 * GIB, available=8 * GIB)


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Measuring is simulated: each call is noted and answered with 20 GB/s."""
    calls: list[tuple[int, int]] = []

    def answer(size: int, threads: int, *, patience: int) -> float:
        calls.append((size, threads))
        return 2e10

    monkeypatch.setattr(module, "measured", answer)
    monkeypatch.setattr(module, "busy_cores", lambda cpu: 0.0)
    return calls


@pytest.fixture
def fills(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffers are written however busy the processor is."""
    monkeypatch.setattr(module, "_FILL_BUDGET", 50.0)


def test_a_real_measurement(fills: None):
    assert 1e8 < measured(8 * MIB, 2) < 1e13


INTERRUPTED = """
import ctypes, os, signal, time
from launchpad.hardware import bandwidth

def memcmp(first, second, size):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.5)  # the main thread is on its way out
    print(ctypes.string_at(first, 1), flush=True)

bandwidth._memcmp = lambda: memcmp
bandwidth._FILL_BUDGET = 50.0
try:
    bandwidth.measured(bandwidth.MIB, 1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_leaves_the_memory_that_is_still_read():
    """Ctrl-C at the first start could end with a segmentation fault."""
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=150, check=False
    )
    assert (ran.returncode, ran.stdout.split()) == (0, ["b'Z'", "interrupted"]), ran.stderr


def test_too_little_for_so_many_threads():
    with pytest.raises(Unmeasurable, match="too little for 64 threads"):
        measured(4096, 64)


def test_a_processor_too_busy_to_fill_the_buffers_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_FILL_BUDGET", -1.0)  # the time is over before a block is written
    reading = known_or_measured(CPU, MEMORY, file=tmp_path / "b.json")
    assert reading is not None
    assert reading.bandwidth is None
    assert "other work kept the processor busy: 0 of" in reading.evidence
    assert not (tmp_path / "b.json").exists()


def test_one_round_is_measured_however_late_it_is(fills: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_BUDGET", -1.0)
    assert 1e8 < measured(64 * MIB, 1) < 1e13


class Clock:
    """A simulated clock, which only the simulated comparisons move."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def rounds_take(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], float]], Clock]:
    """Have the comparison of each number, from 0 on, take so many seconds of a simulated clock."""

    def take(seconds: Callable[[int], float]) -> Clock:
        clock, rounds = Clock(), count()

        def memcmp(first: int, second: int, size: int) -> int:
            clock.now += seconds(next(rounds))
            return 0

        monkeypatch.setattr(module, "_memcmp", lambda: memcmp)
        monkeypatch.setattr(module, "time", clock)
        return clock

    return take


def test_a_processor_that_others_hold_most_of_the_time_is_not_taken_for_a_slow_memory(rounds_take):
    """Three comparisons of four wait for a core, 30 ms each; seen as a whole that is 0.5 GB/s."""
    rounds_take(lambda number: 0.030 if number % 4 else 0.001)
    assert measured(64 * MIB, 1) == pytest.approx(16 * MIB / 0.001)


def test_alone_it_ends_when_nothing_gets_better(rounds_take):
    clock = rounds_take(lambda number: 0.004 if number else 0.001)
    assert measured(32 * MIB, 1) == pytest.approx(16 * MIB / 0.001)
    assert clock.now == pytest.approx(0.001 + module._SETTLED * 0.004)


def test_beside_other_work_it_takes_its_time(rounds_take):
    clock = rounds_take(lambda number: 0.001)
    measured(32 * MIB, 1, patience=2)
    assert clock.now == pytest.approx(2 * module._BUDGET)


def test_what_was_measured_beside_other_work_is_measured_again_soon(
    tmp_path: Path, measurements: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "busy_cores", lambda cpu: 3.0)
    file = tmp_path / "b.json"
    first = known_or_measured(CPU, MEMORY, file=file)
    assert first is not None
    assert first.evidence.endswith("beside other work")
    known_or_measured(CPU, MEMORY, file=file)
    assert len(measurements) == 1
    document = json.loads(file.read_text())
    for entry in document["entries"].values():
        entry["measured_at"] -= 3600
    file.write_text(json.dumps(document))
    known_or_measured(CPU, MEMORY, file=file)
    assert len(measurements) == 2


def test_memory_that_cannot_be_had_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr("mmap.mmap", fail)
    reading = known_or_measured(CPU, MEMORY, file=tmp_path / "b.json")
    assert reading == Reading(bandwidth=None, evidence="not measured: OSError: no memory")


def test_without_memcmp_it_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_memcmp", lambda: None)
    with pytest.raises(Unmeasurable, match="memcmp"):
        measured(8 * MIB, 1)


@pytest.mark.parametrize(
    ("available", "cache", "size"),
    [
        (8 * GIB, 32 * MIB, 192 * MIB),
        (64 * GIB, 128 * MIB, 512 * MIB),
        (64 * GIB, 1152 * MIB, 1024 * MIB),
        (GIB, None, 128 * MIB),
        (256 * MIB, None, None),
        (None, None, None),
    ],
)
def test_how_much_memory_is_read(available: int | None, cache: int | None, size: int | None):
    assert buffer_bytes(Memory(available=available), cache) == size


def test_the_second_start_measures_nothing(tmp_path: Path, measurements: list[tuple[int, int]]):
    file = tmp_path / "cache" / "bandwidth.json"
    first = known_or_measured(CPU, MEMORY, file=file)
    again = known_or_measured(CPU, MEMORY, file=file)
    assert first is not None
    assert again is not None
    assert first.bandwidth == again.bandwidth == 2e10
    assert len(measurements) == 1
    assert str(file) in again.evidence
    assert [path.name for path in file.parent.iterdir()] == ["bandwidth.json"]


def test_another_machine_or_other_cores_are_measured_anew(
    tmp_path: Path, measurements: list[tuple[int, int]]
):
    file = tmp_path / "b.json"
    for cpu in (CPU, Cpu(model="B"), Cpu(model="A", cores_physical=1, cores_available=0.5)):
        known_or_measured(cpu, MEMORY, file=file)
    assert len(measurements) == 3
    known_or_measured(CPU, MEMORY, file=file)
    assert len(measurements) == 3


def test_an_old_measurement_is_repeated(tmp_path: Path, measurements: list[tuple[int, int]]):
    file = tmp_path / "b.json"
    known_or_measured(CPU, MEMORY, file=file)
    document = json.loads(file.read_text())
    for entry in document["entries"].values():
        entry["measured_at"] = time.time() - 8 * 24 * 3600
    file.write_text(json.dumps(document))
    known_or_measured(CPU, MEMORY, file=file)
    assert len(measurements) == 2


def test_without_leave_to_measure_only_what_is_kept_is_told(
    tmp_path: Path, measurements: list[tuple[int, int]]
):
    file = tmp_path / "b.json"
    assert known_or_measured(CPU, MEMORY, measure=False, file=file) is None
    known_or_measured(CPU, MEMORY, file=file)
    assert known_or_measured(CPU, MEMORY, measure=False, file=file) is not None
    assert len(measurements) == 1


def test_a_small_machine_is_left_alone(tmp_path: Path, measurements: list[tuple[int, int]]):
    reading = known_or_measured(CPU, Memory(available=100 * MIB), file=tmp_path / "b.json")
    assert reading is not None
    assert reading.bandwidth is None
    assert "too little memory is free" in reading.evidence
    assert measurements == []


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    '{"entries": 5}',
    '{"entries": {"k": 5}}',
    '{"entries": {"k": {"bandwidth": "x"}}}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_only_means_measuring_again(
    tmp_path: Path, measurements: list[tuple[int, int]], content: str
):
    file = tmp_path / "b.json"
    file.write_text(content)
    reading = known_or_measured(CPU, MEMORY, file=file)
    assert reading is not None
    assert reading.bandwidth == 2e10
    assert known_or_measured(CPU, MEMORY, measure=False, file=file) is not None


@pytest.mark.parametrize("kept", [-1.0, 0.0, 1e30, True, None, "5"])
def test_an_absurd_figure_in_the_file_is_not_believed(
    tmp_path: Path, measurements: list[tuple[int, int]], kept: object
):
    file = tmp_path / "b.json"
    known_or_measured(CPU, MEMORY, file=file)
    document = json.loads(file.read_text())
    for entry in document["entries"].values():
        entry["bandwidth"] = kept
    file.write_text(json.dumps(document))
    assert known_or_measured(CPU, MEMORY, measure=False, file=file) is None


def test_a_folder_that_cannot_be_written_to_costs_only_the_keeping(
    tmp_path: Path, measurements: list[tuple[int, int]]
):
    (tmp_path / "file").write_text("not a folder")
    assert known_or_measured(CPU, MEMORY, file=tmp_path / "file" / "b.json") is not None


def test_a_little_load_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 9.0, 9.0), raising=False)
    assert module.busy_cores(Cpu(cores_physical=4)) == 0.0
    assert module.busy_cores(Cpu(cores_physical=2)) == 1.5


def test_threads_follow_what_may_be_used(tmp_path: Path, measurements: list[tuple[int, int]]):
    known_or_measured(Cpu(cores_physical=16, cores_available=2.5), MEMORY, file=tmp_path / "b.json")
    assert measurements[0][1] == 3


def test_last_level_caches_are_added_once_each(tmp_path: Path):
    for cpu, shared in ((0, "0-1"), (1, "0-1"), (2, "2-3")):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index3"
        folder.mkdir(parents=True)
        (folder / "size").write_text("32768K\n")
        (folder / "shared_cpu_list").write_text(shared + "\n")
    assert last_level_cache(tmp_path) == 64 * MIB
    assert last_level_cache(tmp_path / "nowhere") is None


@given(st.binary(max_size=200))
def test_no_content_of_the_file_breaks_reading(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    file = tmp_path_factory.mktemp("b") / "b.json"
    file.write_bytes(content)
    assert known_or_measured(CPU, MEMORY, measure=False, file=file) is None
