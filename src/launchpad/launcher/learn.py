"""What a launch taught: its figures beside those of the formulas, kept for the next prediction."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from launchpad.engines.others import cores_busy
from launchpad.errors import LaunchpadError
from launchpad.fit.calibration import Figures, Measurement, formula_speeds, placement_key
from launchpad.fit.check import check_memory
from launchpad.launcher import measurements
from launchpad.survey import build_key

if TYPE_CHECKING:
    from launchpad.chat.stats import AnswerStats
    from launchpad.engines.server import EngineReport, RunningServer
    from launchpad.fit.result import Confirmation
    from launchpad.plan import Plan, StartStep

LEAST_DECODED = 16  # tokens; the speed of a shorter answer says little
LEAST_PREFILLED = 64
SLOWS = 0.25  # share of the cores; with so many at work for others, a measurement says more of them than of the engine

Source = Literal["run", "bench", "dry-run"]


def learn_from_answer(plan: Plan, server: RunningServer, stats: AnswerStats | None) -> None:
    """Keep what a launch and its last answer showed. Never fails."""
    usage = stats.usage if stats else None
    decode = depth = prefill = None
    if stats and usage and usage.completion >= LEAST_DECODED:
        decode, depth = stats.decode_speed, usage.prompt + usage.completion / 2
    if stats and usage and usage.prompt - (usage.cached or 0) >= LEAST_PREFILLED:
        prefill = stats.prefill_speed
    keep(plan, server, decode=decode, depth=depth, prefill=prefill, source="run")


def keep(
    plan: Plan,
    server: RunningServer,
    *,
    decode: float | None,
    depth: float | None,
    prefill: float | None,
    source: Source,
    busy: float | None = None,
) -> None:
    """Keep one measurement of a running engine: decode at that depth, prefill, both in tokens/s.

    `busy` is what `slowed_by` said around it; None asks now, if there is a speed that others can have slowed: that takes
    time, in which somebody waits for the command's end.
    """
    with suppress(LaunchpadError, OSError):  # a launch does not fail for want of a note about it
        if busy is None and not (decode is None and prefill is None):
            busy = slowed_by(plan, server)
        _keep(plan, server, Figures(decode=decode, depth=depth, prefill=prefill), source, busy)


def slowed_by(plan: Plan, server: RunningServer) -> float:
    """Cores on which others run now, 0 where too few do to slow this engine, which must be at rest."""
    if plan.start.fit.placement.kind == "gpu":
        return 0.0  # a GPU does not wait for the processor, and who else uses it is not told
    cpu = plan.machine.cpu
    busy = cores_busy(server.server.pid)
    return busy if busy > SLOWS * (cpu.cores_physical or 1) else 0.0


def _keep(plan: Plan, server: RunningServer, speeds: Figures, source: Source, busy: float | None) -> None:
    """`busy` None: nobody looked, so the load time is not kept, which others can have slowed too."""
    did = server.server.report
    measured = replace(
        speeds,
        load=None if busy is None else did.load_seconds,
        process=did.process_memory,
        overhead=overhead_of(plan.start, did),
    )
    memory = check_memory(plan.start.fit, did, loaded=True)
    _record(plan, did.engine, measured, source, memory=memory, busy=busy or 0.0)


def keep_confirmation(plan: Plan, confirmation: Confirmation) -> None:
    """Keep what the engine said before anything was loaded."""
    _record(plan, confirmation.engine, Figures(), "dry-run", memory=confirmation)


def _record(
    plan: Plan,
    engine: str,
    measured: Figures,
    source: Source,
    *,
    memory: Confirmation | None,
    busy: float = 0.0,
) -> None:
    start, build = plan.start, plan.choice.pick.build if plan.choice.pick else None
    local = plan.choice.pick.availability.local if plan.choice.pick else None
    size = local.size if local else build.size if build else None
    measurements.record(
        Measurement(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            source=source,
            machine=measurements.fingerprint(plan.machine),
            backend=start.backend,
            engine=engine,
            placement=placement_key(start.fit.placement),
            model=start.model_id,
            build=build_key(start.build),
            size=size,
            settings=start.settings,
            predicted=formula_speeds(start.fit.speed, measured.depth or start.fit.speed.depth),
            measured=measured,
            memory=memory,
            busy=busy,
        )
    )


def overhead_of(start: StartStep, did: EngineReport) -> int | None:
    """What of the process belongs to no buffer. Only without accelerators: drivers map what they like."""
    if did.process_memory is None or start.fit.placement.kind != "cpu" or not did.buffers:
        return None
    names = ("projector", "projector_compute") if start.projector_path is not None else ()
    sees = sum(device.term(name) for device in start.fit.devices for name in names)
    if names and not sees:
        return None  # what its projector takes is not known
    return max(0, did.process_memory - sees - sum(b.model + b.context + b.compute for b in did.buffers))
