"""`launchpad fit`: how much memory a model needs and how fast it would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    on_option,
    simulated,
    wish_options,
)
from launchpad.cli.render import TERMS, gb, gib, placement, speed
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.choice.choose import Candidate
    from launchpad.cli.output import Output
    from launchpad.errors import LaunchpadError


@click.command(cls=Command)
@click.argument("model")
@wish_options
@engine_option
@on_option
@click.option("--offline", is_flag=True, help="Make no connection; compute from the catalog.")
@json_option
@click.pass_obj
def fit(app: App, model: str, wishes: dict[str, Any], on: str | None, offline: bool) -> None:
    """Show how each build of MODEL would fit this machine, or another (--on): every term of the memory sum.

    MODEL is a catalog id, a repository (hf://org/repo:QUANT; only headers are read), a .gguf file, a folder with
    safetensors files, or a .json file that describes a model.

    \b
    launchpad fit qwen3-8b
    launchpad fit qwen3-8b --on "RTX 3060 12GB" --context 32768
    launchpad fit ./my-model.gguf
    """
    from launchpad.decide import fits_of

    wish = make_wish(app, wishes, model=model, offline=offline)
    machine = simulated(on)
    with app.output.status("reading headers"):
        seen, candidates = fits_of(app.host, app.config, wish, on=machine)
    if not candidates:
        raise _nothing(wish.backend, model)
    if app.output.json_mode:
        from launchpad.cli.documents import BuildFit, FitList

        fits = tuple(BuildFit(build=c.build, fit=c.fit) for c in candidates)
        app.output.data(FitList(machine=seen.machine, fits=fits))
        return
    rows = [_row(candidate) for candidate in candidates]
    headers = ["build", "backend", "file", "memory", "speed", "context", "runs on", "verdict"]
    app.output.table(headers, rows, right=(2, 3, 4, 5))
    if len(candidates) == 1:
        _terms(app.output, candidates[0])
    for way_out in dict.fromkeys(c.fit.way_out for c in candidates if c.fit.way_out):
        app.output.note(way_out)
    for note in dict.fromkeys(note for candidate in candidates for note in candidate.fit.notes):
        app.output.note(note)


def _nothing(backend: str | None, model: str) -> LaunchpadError:
    from launchpad.errors import NoModelFits

    return NoModelFits(
        f"There is no build of {model} to compute with.",
        why=f"{backend} could run none." if backend else "Neither a catalog nor its source lists one.",
        hint="Leave --backend out, or name a repository: org/repo:QUANT",
    )


def _row(candidate: Candidate) -> list[str]:
    one = candidate.fit
    return [
        candidate.build.ref,
        one.backend,
        gb(candidate.build.size),
        gib(one.total) if one.devices else "?",
        speed(one.speed.decode),
        f"{one.settings.context:,}",
        placement(one),
        one.verdict if one.why is None else f"{one.verdict}: {one.why}",
    ]


def _terms(out: Output, candidate: Candidate) -> None:
    rows = [
        [device.device, TERMS.get(term.name, term.name), f"{term.bytes:,}", term.basis]
        for device in candidate.fit.devices
        for term in device.terms
    ]
    out.line()
    out.table(["device", "term", "bytes", "figure"], rows, right=(2,))
