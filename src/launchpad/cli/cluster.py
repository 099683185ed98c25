"""`launchpad cluster`: a plan handed over to what runs clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.generate import write_files
from launchpad.cli.options import json_option, make_wish, on_option, simulated, wish_options
from launchpad.cli.shared import Group

if TYPE_CHECKING:
    from launchpad.deploy.model import Manifests
    from launchpad.hardware.machine import Machine
    from launchpad.plan import Plan
    from launchpad.wish import Wish

PORT = 8000
KINDS = ("kuberay", "lws", "skypilot", "commands")


@click.group(cls=Group)
def cluster() -> None:
    """Hand a plan over to what runs clusters.

    \b
    launchpad cluster emit lws qwen3-8b --on "L40S" --replicas 4 -o deploy
    """


@cluster.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("model", required=False)
@on_option
@wish_options
@click.option(
    "--replicas", type=click.IntRange(1, 256), default=1, metavar="N", help="Serve the model N times."
)
@click.option(
    "--revision",
    metavar="COMMIT",
    help="Commit of the model's repository. [default: as pinned, or its newest]",
)
@click.option("--vllm", "version", metavar="VERSION", help="Version of vLLM that is named.")
@click.option("--claim", metavar="NAME", help="Volume claim of Kubernetes that keeps the weights.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True, help="Port to serve at."
)
@click.option("--offline", is_flag=True, help="Make no connection; the revision must be given or pinned.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files into this folder.",
)
@json_option
@click.pass_obj
def emit(
    app: App,
    kind: str,
    model: str | None,
    on: str | None,
    wishes: dict[str, Any],
    replicas: int,
    revision: str | None,
    version: str | None,
    claim: str | None,
    port: int,
    offline: bool,
    output: Path | None,
) -> None:
    """Write what starts MODEL, as it is planned for the machine, on a cluster: nothing is started here.

    kuberay is a RayService, lws a LeaderWorkerSet (both of Kubernetes), skypilot a task of SkyPilot; commands are scripts,
    one for each host of a hosts.toml. Model revision, engine and image are pinned; keys and tokens are only named.

    \b
    launchpad cluster emit lws qwen3-235b-a22b-instruct-2507 --on "2 nodes of 8x H100 80GB + 2TB" -o deploy
    launchpad cluster emit commands --on hosts.toml -o deploy
    """
    from launchpad.decide import make_plan_for

    wish = make_wish(app, {**wishes, "backend": wishes["backend"] or "vllm"}, model=model, offline=offline)
    plan = make_plan_for(app.host, app.config, wish, on=simulated(on))
    pinned = revision or _revision(app, plan, offline=offline)
    show(app, made(kind, plan, pinned, version=version, replicas=replicas, claim=claim, port=port), output)


def write_commands(
    app: App, wish: Wish, hosts: Machine, *, port: int | None = None, replicas: int = 1
) -> int:
    """What `run` and `serve` do for hosts that they cannot start anything on: write what starts it there."""
    from msgspec.structs import replace

    from launchpad.decide import make_plan_for

    wish = replace(wish, backend=wish.backend or "vllm")
    plan = make_plan_for(app.host, app.config, wish, on=hosts)
    pinned = _revision(app, plan, offline=wish.offline)
    show(app, made("commands", plan, pinned, replicas=replicas, port=port or PORT), None)
    app.output.note("Nothing was started: launchpad does not log in to other hosts.", "bold")
    return 0


def made(
    kind: str,
    plan: Plan,
    revision: str | None,
    *,
    version: str | None = None,
    replicas: int = 1,
    claim: str | None = None,
    port: int = PORT,
) -> Manifests:
    """The manifests of this kind for the plan. Raises `LaunchpadError`."""
    from launchpad.deploy.commands import commands
    from launchpad.deploy.from_plan import deployment
    from launchpad.deploy.kuberay import kuberay
    from launchpad.deploy.lws import lws
    from launchpad.deploy.skypilot import skypilot

    makers = {"kuberay": kuberay, "lws": lws, "skypilot": skypilot, "commands": commands}
    what = deployment(plan, revision, version=version, replicas=replicas, claim=claim)
    return makers[kind](what, port)


def _revision(app: App, plan: Plan, *, offline: bool) -> str | None:
    """The commit that the reference names, or the newest one, which its source is asked for."""
    from launchpad.deploy.from_plan import revision_of

    pick = plan.choice.pick
    found = revision_of(plan)
    if found or offline or pick is None or pick.build.scheme != "hf":
        return found
    resolved = app.host.source("hf").resolve(pick.build)
    app.output.note(f"{pick.build.ref} is pinned to {resolved.revision}, its newest revision now")
    return resolved.revision


def show(app: App, manifests: Manifests, output: Path | None) -> None:
    """The files on stdout or in a folder; what to do with them on stderr."""
    out = app.output
    if output is not None:
        write_files(app, manifests.files, output.expanduser())
    if out.json_mode:
        out.data(manifests)
        return
    if output is None:
        for number, file in enumerate(manifests.files):
            if len(manifests.files) > 1:
                out.line(f"{'' if number == 0 else chr(10)}# ---- {file.name}")
            for line in file.text.splitlines():
                out.line(line)
    for assumption in manifests.assumptions:
        out.note(assumption, "yellow")
    for number, step in enumerate(manifests.steps, 1):
        out.note(f"{number}. {step}")
