"""`launchpad generate`: files that let the system's own supervisor run `launchpad serve`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    wish_options,
)
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launchpad.deploy.model import ManifestFile
    from launchpad.plan import Plan
    from launchpad.services.model import Generated, Service, ServiceFile

KINDS = ("systemd", "quadlet", "launchd", "compose")


@click.command(cls=Command)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("model", required=False)
@wish_options
@engine_option
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. [default: serve.port]")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files into this folder.",
)
@json_option
@click.pass_obj
def generate(
    app: App, kind: str, model: str | None, wishes: dict[str, Any], port: int | None, output: Path | None
) -> None:
    """Print a service that serves MODEL as it is planned now: the same build, context and settings at every start.

    The service makes no connection, so pull the model first. It listens on this machine only.

    \b
    launchpad generate systemd qwen3-8b -o ~/.config/systemd/user
    launchpad generate compose > compose.yaml
    """
    from launchpad.cli.launching import make_plan
    from launchpad.services import containers, native

    plan = make_plan(app, make_wish(app, wishes, model=model), starts=False)
    service = _service(app, plan, port or app.config.serve.port)
    makers = {
        "systemd": native.systemd,
        "launchd": native.launchd,
        "quadlet": containers.quadlet,
        "compose": containers.compose,
    }
    made: Generated = makers[kind](service)
    if kind in ("quadlet", "compose") and service.model_file is None:
        # Podman starts no container with a folder that is not there; Docker would make it, as root's.
        for folder in (service.hub_cache, service.store):
            Path(folder).mkdir(parents=True, exist_ok=True)
    if output is not None:
        write_files(app, made.files, output.expanduser())
    if app.output.json_mode:
        app.output.data(made)
        return
    if output is None:
        _print(app, made.files)
    if plan.pull is not None:
        app.output.warn(f"The model is not here yet. Pull it first: launchpad pull {service.model}")
    for number, step in enumerate(made.steps, 1):
        app.output.note(f"{number}. {step}")


def _service(app: App, plan: Plan, port: int) -> Service:
    from launchpad import __version__
    from launchpad.paths import hub_cache, store_dir
    from launchpad.services.model import Service

    start = plan.start
    own_file = start.build.startswith("file:") or bool(plan.wish.model and _is_path(plan.wish.model))
    kept = ("LAUNCHPAD_HOME", "HF_HUB_CACHE", "HF_HOME", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
    vendors = [gpu.vendor for gpu in plan.machine.accelerators]
    uses_gpu = start.fit.placement.kind in ("gpu", "partial") and bool(vendors)
    user = f"{os.getuid()}:{os.getgid()}" if sys.platform != "win32" else "1000:1000"
    return Service(
        name=f"launchpad-{_slug(start.model_id)}",
        title=start.model_name,
        version=__version__,
        python=sys.executable,
        model=_pinned(plan),
        model_file=str(Path(start.model_path).resolve()) if own_file and start.model_path else None,
        arguments=_arguments(plan),
        port=port,
        hub_cache=str(hub_cache().absolute()),
        store=str(store_dir()),
        home=os.path.expanduser("~"),  # noqa: PTH111  Path.home() raises without a home
        user=user,
        environment={name: os.environ[name] for name in kept if os.environ.get(name)},
        gpu=vendors[0] if uses_gpu else None,
    )


def _pinned(plan: Plan) -> str:
    """The model by a name that means the same build tomorrow."""
    pick = plan.choice.pick
    if plan.wish.model and not plan.wish.model.startswith("auto"):
        return plan.wish.model
    return f"{plan.start.model_id}:{pick.build.quantization}" if pick else plan.start.model_id


def _arguments(plan: Plan) -> tuple[str, ...]:
    """What of the plan `serve` must be told to come to the same one."""
    told = ["--context", str(plan.start.settings.context), "--backend", plan.start.backend]
    wish = plan.wish
    for flag, value in (
        ("--parallel", wish.parallel),
        ("--kv-type", wish.kv_type),
        ("--ubatch", wish.ubatch),
    ):
        if value is not None:
            told += [flag, str(value)]
    return (*told, *(["--require-gpu"] if wish.require_gpu else []))


def _is_path(text: str) -> bool:
    from launchpad.catalog.reference import parse

    return parse(text).kind == "path"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48] or "model"


def write_files(app: App, files: Iterable[ServiceFile | ManifestFile], folder: Path) -> None:
    """Write them into a folder, which is made if need be, and say so."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).write_text(file.text, encoding="utf-8")
        app.output.note(f"written: {folder / file.name}")


def _print(app: App, files: tuple[ServiceFile, ...]) -> None:
    for file in files:
        if len(files) > 1:
            app.output.line(f"# {file.place}/{file.name}")
        for line in file.text.splitlines():
            app.output.line(line)
