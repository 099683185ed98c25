"""What a launch teaches: the process beside what the plan accounts for."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

import psutil
import pytest
from msgspec.structs import replace

from factories import candidate, local
from launchpad.choice.choose import Availability, choose
from launchpad.engines.others import cores_busy
from launchpad.engines.server import EngineBuffers, EngineReport, Server
from launchpad.fit.layout import Projector
from launchpad.fit.projector import with_projector
from launchpad.fit.result import Settings
from launchpad.hardware.machine import Cpu, Machine
from launchpad.launcher import measurements
from launchpad.launcher.learn import keep, overhead_of, slowed_by
from launchpad.plan import Plan, StartStep, make_plan
from launchpad.wish import Wish

MIB = 1 << 20
DID = EngineReport(
    engine="llama.cpp b1",
    buffers=(EngineBuffers(device="cpu", model=600 * MIB, context=80 * MIB, compute=20 * MIB),),
    process_memory=1000 * MIB,
)


def plan(kind: Literal["cpu", "gpu"] = "cpu", cores: int = 4) -> Plan:
    one = candidate("m", availability=Availability(obtainable=True, local=local("m")), memory=700 * MIB)
    machine = Machine(name="x", cpu=Cpu(cores_physical=cores))
    made = make_plan(machine, Wish(), choose([one], Wish()), lambda _: {})
    fit = replace(made.start.fit, placement=replace(made.start.fit.placement, kind=kind))
    return replace(made, start=replace(made.start, fit=fit))


class Ready:
    """An engine that is ready; nothing is asked of it."""

    server = Server(
        id="x",
        backend="llamacpp",
        endpoint="http://127.0.0.1:1/v1",
        api_key="",
        model="m",
        pid=1,
        settings=Settings(context=4096),
        report=DID,
    )

    def alive(self) -> bool:
        return True

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        return ()

    def stop(self) -> None:
        return


def start() -> StartStep:
    return plan().start


def test_what_belongs_to_no_buffer_is_learned() -> None:
    assert overhead_of(start(), DID) == 300 * MIB


def test_a_projector_is_not_taken_for_the_process() -> None:
    step = replace(start(), projector_path="/models/mmproj.gguf")
    assert overhead_of(step, DID) is None
    seeing = with_projector(step.fit, Projector(weights=150 * MIB, compute=100 * MIB, basis="formula"))
    assert overhead_of(replace(step, fit=seeing), DID) == 50 * MIB
    assert overhead_of(replace(step, fit=seeing, projector_path=None), DID) == 300 * MIB


@pytest.mark.parametrize(("others", "cores", "slowed"), [(0.9, 4, 0.0), (1.1, 4, 1.1), (1.1, 8, 0.0)])
def test_others_count_where_they_take_a_quarter_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, others: float, cores: int, slowed: float
) -> None:
    monkeypatch.setattr("launchpad.launcher.learn.cores_busy", lambda ours: others)
    assert slowed_by(plan(cores=cores), Ready()) == slowed
    assert slowed_by(plan("gpu", cores), Ready()) == 0.0


def test_a_launch_under_load_is_kept_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.launcher.learn.cores_busy", lambda ours: 3.0)
    server = Ready()
    keep(plan(), server, decode=5.0, depth=512, prefill=None, source="run")
    keep(plan(), server, decode=9.0, depth=512, prefill=None, source="bench", busy=0.0)
    kept = measurements.load(plan().machine)
    assert [(one.measured.decode, one.busy) for one in kept] == [(5.0, 3.0), (9.0, 0.0)]


def test_nobody_waits_for_a_look_where_no_speed_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.launcher.learn.cores_busy", lambda ours: pytest.fail("it takes time"))
    keep(plan(), Ready(), decode=None, depth=None, prefill=None, source="run")
    (kept,) = measurements.load(plan().machine)
    assert (kept.measured.load, kept.busy) == (None, 0.0)


def test_a_process_at_work_is_seen() -> None:
    """A real one: it spins for as long as it is looked at, with whatever share of a core it is given."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            assert cores_busy(seconds=0.5) > 0.1
            before = sum(psutil.Process(other.pid).cpu_times()[:2])
            without = cores_busy(other.pid, 0.5)
            own = (sum(psutil.Process(other.pid).cpu_times()[:2]) - before) / 0.5
            assert without <= (psutil.cpu_count() or 1) - own + 0.3
        finally:
            other.kill()
