"""`launchpad pull`: fetch and verify without starting."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    json_option,
    make_wish,
    on_live_option,
    source_options,
    transfer_options,
    wish_options,
)
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.wish import Wish


@click.command(cls=Command)
@click.argument("model", required=False)
@wish_options
@source_options
@transfer_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask, whatever the size.")
@on_live_option
@json_option
@click.pass_obj
def pull(
    app: App,
    model: str | None,
    wishes: dict[str, Any],
    projector: bool,
    allow_unpinned: bool,
    yes: bool,
) -> None:
    """Fetch and verify MODEL, or the model that `run` would pick, without starting it.

    With --on every node of a live Ray cluster that has GPUs fetches it into its own Hub cache.

    \b
    launchpad pull
    launchpad pull qwen3-8b --max-rate 10MB/s
    launchpad pull glm-5.2 --on ray://HEAD
    """
    from launchpad.cli.consent import consent
    from launchpad.cli.notices import tell, with_engine_lines
    from launchpad.decide import make_plan_for
    from launchpad.launcher.run import RealEffects
    from launchpad.launcher.sound import sound

    wish = make_wish(app, wishes, model=model, projector=projector, allow_unpinned=allow_unpinned)
    if wish.on is not None:
        _onto_nodes(app, wish, yes=yes)
        return
    with app.output.status("looking at this machine"):
        made = make_plan_for(app.host, app.config, wish, ask_sources=True)
    tell(app.output, made)
    with app.output.progress() as progress:
        made = sound(made, with_engine_lines(app, progress))
    step, start = made.pull, made.start
    if step is None:
        path, fetched = start.model_path, False
    else:
        consent(app, made, yes=yes, interactive=sys.stdin.isatty() and sys.stderr.isatty())
        with app.output.progress() as progress:
            report = with_engine_lines(app, progress)
            effects = RealEffects(app.host, app.config)
            path, fetched = effects.pull(step, report).path, True
            effects.verify(path)
    if app.output.json_mode:
        from launchpad.cli.documents import Pulled

        app.output.data(Pulled(model=start.model_id, ref=start.build, path=str(path), fetched=fetched))
    else:
        app.output.line(str(path))


def _onto_nodes(app: App, wish: Wish, *, yes: bool) -> None:
    """The same for all nodes of a cluster: pinned here, fetched and hashed on each of them."""
    from msgspec.structs import replace

    from launchpad.cli.consent import consent
    from launchpad.cli.notices import tell
    from launchpad.decide import make_plan_for
    from launchpad.engines.ray.spread import spread
    from launchpad.errors import UsageError
    from launchpad.hardware.ray_dashboard import dashboard
    from launchpad.plan import pull_step

    with app.output.status("looking at the cluster"):
        made = make_plan_for(app.host, app.config, wish, ask_sources=True)
    tell(app.output, made)
    pick, start, cluster = made.choice.pick, made.start, made.machine.cluster
    assert pick is not None
    assert cluster is not None
    if start.model_path is not None or pick.build.scheme != "hf":
        raise UsageError(
            f"{start.model_path or pick.build.ref} is not brought onto the nodes.",
            why="They fetch from the Hub alone.",
            hint="Copy the folder to the same path of every node, or share it over the network.",
        )
    model = app.host.source("hf").resolve(pick.build)
    nodes = sum(bool(node.accelerators) for node in cluster.nodes)
    size = sum(one.size or 0 for one in model.files) * nodes
    step = replace(pull_step(pick, made.wish), size=size)
    consent(app, replace(made, pull=step), yes=yes, interactive=sys.stdin.isatty() and sys.stderr.isatty())
    with app.output.progress() as progress:
        addresses = spread(dashboard(cluster.live or ""), model, nodes, progress)
    if app.output.json_mode:
        from launchpad.cli.documents import Pulled

        app.output.data(Pulled(model=start.model_id, ref=model.ref, path=None, fetched=True, nodes=addresses))
    else:
        app.output.line(f"{model.ref} is on {', '.join(addresses)}")
