"""From a wish to an explanation: survey, choose, then explain the one build. Glue between edge and pure parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.catalog.load import load_evidence
from launchpad.catalog.model import Build, Model
from launchpad.catalog.quality import quantization_penalty
from launchpad.decide import Decision, decide
from launchpad.errors import NoModelFits
from launchpad.explain.explain import explain
from launchpad.explain.result import Explanation
from launchpad.explain.subject import Subject
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine
from launchpad.named import is_auto, named_models
from launchpad.plan import no_pick
from launchpad.survey import availability, consider, local_layout
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.plugins.host import Host


def explained(host: Host, config: Config, wish: Wish, *, on: Machine | None = None) -> Explanation:
    """Explain the build that `run` would take on this machine, or on `on`. Makes no connection.

    When no build of the named model fits, the smallest is explained. Raises `UnknownModel`, or `NoModelFits` when
    the choice was left to launchpad and nothing can run.
    """
    made = decide(host, config, wish, on=on)
    model, build, fit, reason = _chosen(made, wish, host)
    seen = made.survey
    backend = host.backend(fit.backend)
    whole = next((known for known in seen.models if known.id == model.id), model)
    layout = local_layout(availability(build, seen).local)

    def attempt(other: Build, machine: Machine, wanted: Wish) -> Fit | None:
        return backend.fit(whole, other, machine, wanted, layout if other == build else None)

    builds = {build: None, **dict.fromkeys(backend.builds(whole))}
    subject = Subject(
        model=whole,
        build=build,
        machine=seen.machine,
        wish=wish,
        fit=fit,
        attempt=attempt,
        layout=layout,
        apis=backend.capabilities.apis,
        losses={one: quantization_penalty(one.quantization, whole.parameters) for one in builds},
    )
    return explain(subject, reason=reason, evidence=load_evidence(model.id))


def _chosen(made: Decision, wish: Wish, host: Host) -> tuple[Model, Build, Fit, str]:
    """The pick; where nothing fits, the smallest build of the model that was named."""
    pick = made.choice.pick
    if pick is not None:
        return pick.model, pick.build, pick.fit, pick.reason
    if is_auto(wish.model):
        raise no_pick(made.choice, wish)
    models = named_models(wish.model or "", made.survey, host, connect=False).models
    candidates = consider(made.survey, wish, models)
    if not candidates:
        raise NoModelFits(
            f"There is no build of {wish.model} that an engine here can run.",
            hint="`launchpad plugins` lists the engines, `launchpad models` the models.",
        )
    smallest = min(candidates, key=lambda candidate: candidate.build.size or 1 << 62)
    several = len({candidate.build for candidate in candidates}) > 1
    reason = "the smallest build; none fits" if several else "the build that you named"
    return smallest.model, smallest.build, smallest.fit, reason
