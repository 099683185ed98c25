"""What a launch teaches: the process beside what the plan accounts for."""

from __future__ import annotations

from msgspec.structs import replace

from factories import candidate, local
from launchpad.choose import Availability, choose
from launchpad.engines.server import EngineBuffers, EngineReport
from launchpad.fit.layout import Projector
from launchpad.fit.projector import with_projector
from launchpad.hardware.machine import Machine
from launchpad.learn import overhead_of
from launchpad.plan import StartStep, make_plan
from launchpad.wish import Wish

MIB = 1 << 20
DID = EngineReport(
    engine="llama.cpp b1",
    buffers=(EngineBuffers(device="cpu", model=600 * MIB, context=80 * MIB, compute=20 * MIB),),
    process_memory=1000 * MIB,
)


def start() -> StartStep:
    one = candidate("m", availability=Availability(obtainable=True, local=local("m")), memory=700 * MIB)
    step = make_plan(Machine(name="x"), Wish(), choose([one], Wish()), lambda _: {}).start
    return replace(step, fit=replace(step.fit, placement=replace(step.fit.placement, kind="cpu")))


def test_what_belongs_to_no_buffer_is_learned() -> None:
    assert overhead_of(start(), DID) == 300 * MIB


def test_a_projector_is_not_taken_for_the_process() -> None:
    step = replace(start(), projector_path="/models/mmproj.gguf")
    assert overhead_of(step, DID) is None
    seeing = with_projector(step.fit, Projector(weights=150 * MIB, compute=100 * MIB, basis="formula"))
    assert overhead_of(replace(step, fit=seeing), DID) == 50 * MIB
    assert overhead_of(replace(step, fit=seeing, projector_path=None), DID) == 300 * MIB
