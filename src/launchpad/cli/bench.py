"""`launchpad bench`: how fast a model really is here, beside what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    wish_options,
)
from launchpad.cli.render import gib, speed
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launchpad.cli.documents import Benchmark, BenchmarkPoint
    from launchpad.cli.output import Output
    from launchpad.engines.server import RunningServer
    from launchpad.fit.result import Band
    from launchpad.launcher.bench import Point
    from launchpad.plan import Plan

TEST_MIDDLE = 64  # tokens: the depth grows by 128 while decode is measured


@click.command(cls=Command)
@click.argument("model", required=False)
@wish_options
@engine_option
@click.option("--offline", is_flag=True, help="Make no connection; use what is on disk.")
@click.option("--depth", "depths", multiple=True, type=click.IntRange(min=0), help="Tokens already there.")
@click.option("--repeat", type=click.IntRange(min=1, max=100), default=3, show_default=True, help="Runs.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a download, whatever its size.")
@json_option
@click.pass_obj
def bench(
    app: App,
    model: str | None,
    wishes: dict[str, Any],
    offline: bool,
    depths: tuple[int, ...],
    repeat: int,
    yes: bool,
) -> None:
    """Measure prefill (512 tokens) and decode (128 tokens) at several depths, on a fresh engine.

    The prediction stands beside each figure. What was measured is kept on this machine and sharpens what
    launchpad says of it from now on; --json prints the record.

    \b
    launchpad bench
    launchpad bench qwen3-8b --json
    """
    from launchpad.cli.launching import launch
    from launchpad.cli.notices import tell
    from launchpad.decide import make_plan_for
    from launchpad.launcher.bench import measure
    from launchpad.launcher.learn import slowed_by

    wish = make_wish(app, wishes, model=model, offline=offline)
    with app.output.status("looking at this machine"):
        plan = make_plan_for(app.host, app.config, wish, ask_sources=True, starts_next=True)
    chosen = _depths(plan, depths)
    tell(app.output, plan)
    plan, server = launch(app, plan, yes=yes)
    try:
        before = slowed_by(plan, server)
        with app.output.status("measuring"):
            points = list(measure(server.server, chosen, repeat, lambda _: None))
        busy = max(before, slowed_by(plan, server))
        record = _record(plan, server, points, busy)
        _keep(plan, server, points, busy)
    finally:
        server.stop()
    _tell_of_load(app.output, record)
    if app.output.json_mode:
        app.output.data(record)
    else:
        _show(app.output, record)


def _tell_of_load(out: Output, record: Benchmark) -> None:
    """Say what the predictions do not count: other programs on the same cores."""
    if record.busy:
        cores = record.machine.cpu.cores_physical
        of = f" of {cores}" if cores else ""
        out.note(
            f"other programs kept {record.busy:.1f}{of} cores busy: this is slower than the machine is, and nothing is learned from it",
            "yellow",
        )


def _depths(plan: Plan, asked: tuple[int, ...]) -> tuple[int, ...]:
    from launchpad.errors import UsageError
    from launchpad.launcher.bench import DECODE, PREFILL, depths_within

    context = plan.start.settings.context
    found = depths_within(context, asked)
    if not found:
        raise UsageError(
            f"A context of {context:,} tokens has no room for that.",
            why=f"{PREFILL + DECODE} tokens come on top of each depth.",
            hint="Use a smaller --depth or a larger --context.",
        )
    return found


def _keep(plan: Plan, server: RunningServer, points: Sequence[Point], busy: float) -> None:
    """Remember every depth; prefill is predicted for an empty context only."""
    from launchpad.launcher.learn import keep

    for point in points:
        keep(
            plan,
            server,
            decode=point.decode_median,
            depth=point.depth + TEST_MIDDLE,
            prefill=None if point.depth else point.prefill_median,
            source="bench",
            busy=busy,
        )


def _record(plan: Plan, server: RunningServer, points: Sequence[Point], busy: float) -> Benchmark:
    from launchpad.cli.documents import Benchmark
    from launchpad.fit.check import check_memory

    start, did = plan.start, server.server.report
    return Benchmark(
        model=start.model_id,
        build=start.build,
        backend=start.backend,
        engine=did,
        machine=plan.machine,
        settings=start.settings,
        predicted_memory=start.fit.total,
        memory=check_memory(start.fit, did, loaded=True),
        points=tuple(_point(plan, point) for point in points),
        busy=busy,
    )


def _point(plan: Plan, point: Point) -> BenchmarkPoint:
    from launchpad.cli.documents import BenchmarkPoint

    said = plan.start.fit.speed
    return BenchmarkPoint(
        depth=point.depth,
        prefill=point.prefill,
        prefill_median=point.prefill_median,
        prefill_predicted=None if point.depth else said.prefill,
        decode=point.decode,
        decode_median=point.decode_median,
        decode_predicted=_at(said.decode, plan, point.depth + TEST_MIDDLE),
    )


def _at(band: Band | None, plan: Plan, depth: int) -> Band | None:
    """The predicted range at that depth."""
    from msgspec.structs import replace

    from launchpad.fit.calibration import decode_at

    value = decode_at(plan.start.fit.speed, depth)
    if band is None or value is None:
        return None
    factor = value / band.value
    return replace(band, low=band.low * factor, value=value, high=band.high * factor)


def _show(out: Output, record: Benchmark) -> None:
    rows = []
    for point in record.points:
        rows.append(
            ["pp512", f"{point.depth:,}", _figure(point.prefill_median), speed(point.prefill_predicted)]
        )
        rows.append(
            ["tg128", f"{point.depth:,}", _figure(point.decode_median), speed(point.decode_predicted)]
        )
    out.table(["test", "depth", "measured", "predicted"], rows, right=(1, 2, 3))
    load = record.engine.load_seconds
    took = "" if load is None else f", loaded in {load:.1f} s"
    out.line()
    out.line(
        f"memory of the process {gib(record.engine.process_memory)}, predicted {gib(record.predicted_memory)}{took}"
    )


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g} tok/s" if value < 100 else f"{value:.0f} tok/s"
