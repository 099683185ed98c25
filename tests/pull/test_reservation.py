"""The space of a file is set aside: at once, or beside what arrives; and that there is none is told."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.errors import DiskFull
from launchpad.pull import disk, reservation
from launchpad.pull.partial import Partial
from launchpad.pull.payload import Payload

STEP = 1 << 20
SIZE = 10 * STEP
PAYLOAD = Payload(label="x", urls=(), size=SIZE, key="0" * 64)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservation, "_STEP", STEP)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file system is quick enough, and no time is lost between two steps."""
    monkeypatch.setattr(reservation, "_QUICK", 0.0)
    monkeypatch.setattr(reservation, "_SHARE", 1.0)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def system(calls: list[tuple[int, int]], *answers: int) -> Callable[[], Callable[[int, int, int, int], int]]:
    """Stands in for the system's call: notes what is asked for and gives `answers`, the last one for ever."""
    left = list(answers)

    def call(descriptor: int, mode: int, start: int, size: int) -> int:
        calls.append((start, size))
        return left.pop(0) if len(left) > 1 else left[0]

    return lambda: call


@pytest.mark.skipif(sys.platform != "linux", reason="fallocate(2) is Linux's")
def test_all_is_set_aside_by_the_real_system_and_the_length_stays(tmp_path: Path) -> None:
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
        eventually(lambda: file.allocated >= SIZE)
        assert (tmp_path / "p").stat().st_size == 0


@pytest.mark.skipif(sys.platform != "linux", reason="fallocate(2) is Linux's")
def test_a_slow_file_system_is_asked_step_by_step_beside_the_transfer(tmp_path: Path, slow: None) -> None:
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
        file.write(bytes(100))
        eventually(lambda: file.allocated >= SIZE)
        assert file.have == 100


def test_the_steps_meet(tmp_path: Path, slow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(disk, "_fallocate", system(calls, 0))
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
        eventually(lambda: len(calls) == 10)
    assert calls == [(start, STEP) for start in range(0, SIZE, STEP)]


def test_where_it_is_quick_two_calls_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(reservation, "_QUICK", 60.0)
    monkeypatch.setattr(disk, "_fallocate", system(calls, 0))
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
    assert calls == [(0, STEP), (STEP, SIZE - STEP)]


def test_a_full_disk_is_told_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_fallocate", system([], errno.ENOSPC))
    with Partial(tmp_path / "p", PAYLOAD) as file, pytest.raises(DiskFull, match="bytes are missing"):
        file.reserve()


def test_a_disk_that_turns_out_to_be_full_ends_the_transfer(
    tmp_path: Path, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_fallocate", system([], 0, 0, errno.ENOSPC))
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
        eventually(lambda: file._failure is not None)
        with pytest.raises(DiskFull, match="bytes are missing"):
            file.write(bytes(100))


def test_where_the_system_cannot_it_is_not_asked_again(
    tmp_path: Path, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(disk, "_fallocate", system(calls, errno.EOPNOTSUPP))
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
    assert calls == [(0, STEP)]


def test_nothing_is_set_aside_after_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(reservation, "_QUICK", 0.0)
    monkeypatch.setattr(reservation, "_SHARE", 1e-9)
    monkeypatch.setattr(disk, "_fallocate", system(calls, 0))
    with Partial(tmp_path / "p", PAYLOAD) as file:
        file.reserve()
    assert len(calls) <= 2
