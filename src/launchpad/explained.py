"""From a wish to an explanation: survey, choose, then explain the one build. Glue between edge and pure parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.catalog.load import load_evidence
from launchpad.catalog.model import Build, Model
from launchpad.catalog.quality import loss_of
from launchpad.choice.choose import Candidate
from launchpad.decide import fits_of
from launchpad.errors import NoModelFits
from launchpad.explain.explain import explain
from launchpad.explain.result import Explanation
from launchpad.explain.subject import Attempt, Subject
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine
from launchpad.lookup.named import is_auto
from launchpad.plan import no_pick
from launchpad.survey import BackendHere, Survey, availability, learned, local_layout
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.plugins.host import Host


def explained(host: Host, config: Config, wish: Wish, *, on: Machine | None = None) -> Explanation:
    """Explain the build that `run` would take on this machine, or on `on`.

    When no build of the named model fits, the smallest is explained. Raises `UnknownModel`, or `NoModelFits` when
    the choice was left to launchpad and nothing can run.
    """
    seen, candidates = fits_of(host, config, wish, on=on)
    chosen, reason = _chosen(host, candidates, wish)
    build = chosen.build
    model = _with_all_builds(chosen.model, seen)
    here = next((one for one in seen.backends if one.backend.name == chosen.fit.backend), None)
    layout = seen.layouts.get(build.ref) or local_layout(availability(build, seen, here, wish).local)
    backend = here.backend if here else None
    builds = dict.fromkeys((build, *(backend.builds(model) if backend else model.builds)))
    subject = Subject(
        model=model,
        build=build,
        machine=seen.machine,
        wish=wish,
        fit=chosen.fit,
        attempt=_attempt(model, chosen, layout, here, seen),
        layout=layout,
        apis=backend.capabilities.apis if backend else None,
        losses={one: loss_of(one, model) for one in builds},
    )
    return explain(subject, reason=reason, evidence=load_evidence(model.id))


def _chosen(host: Host, candidates: list[Candidate], wish: Wish) -> tuple[Candidate, str]:
    """The pick and why; where nothing that was named fits, its smallest build."""
    named = not is_auto(wish.model)
    if named and wish.min_speed is None:
        wish = replace(wish, min_speed=0.0)  # as for `run`: who names a model wants it, however slow
    choice = host.choose(candidates, wish)
    pick = choice.pick or choice.unobtainable
    if pick is not None:
        mine = (pick.build, pick.fit.backend)
        found = next(one for one in candidates if (one.build, one.fit.backend) == mine)
        return found, pick.reason
    if not named:
        raise no_pick(choice, wish)
    if not candidates:
        raise NoModelFits(
            f"There is no build of {wish.model} that an engine here can run.",
            hint="`launchpad plugins` lists the engines, `launchpad models` the models.",
        )
    smallest = min(candidates, key=lambda one: one.build.size or 1 << 62)
    several = len({one.build for one in candidates}) > 1
    return smallest, "the smallest build; none runs as wished" if several else "you asked for it"


def _with_all_builds(model: Model, seen: Survey) -> Model:
    """The model with every build that is known of it, not only those that its name allowed."""
    known = next((one.builds for one in seen.models if one.id == model.id), ())
    return replace(model, builds=tuple(dict.fromkeys((*model.builds, *known))))


def _attempt(
    model: Model, chosen: Candidate, layout: Layout | None, here: BackendHere | None, seen: Survey
) -> Attempt:
    """The fit of other builds, machines and wishes: the backend's own with what was learned here, else the built-in one."""
    from launchpad.fit import fit

    def attempt(other: Build, machine: Machine, wish: Wish) -> Fit | None:
        known = layout if other == chosen.build else None
        if here is None:
            return fit(model, other, machine, wish, layout=known)
        found = here.backend.fit(model, other, machine, wish, known)
        if found is None or machine != seen.machine:
            return found
        return learned(found, other, availability(other, seen, here, wish), here, seen)

    return attempt
