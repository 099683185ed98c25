"""Gathering what the landscape is drawn from: catalogs, builds, fits. Edge; makes no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.catalog.load import latest_evidence
from launchpad.catalog.merge import models_of
from launchpad.catalog.quality import doubt_of, loss_of
from launchpad.choice.scoring import possible_score
from launchpad.config.policy_file import load_policy
from launchpad.decide import allowed
from launchpad.landscape.model import PLENTY, Landscape, Rival, landscape, plenty, representative
from launchpad.survey import detect_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launchpad.catalog.model import Build, Model
    from launchpad.config import Config
    from launchpad.fit.result import Fit
    from launchpad.hardware.machine import Machine
    from launchpad.plugins.host import Host
    from launchpad.plugins.spec import Backend
    from launchpad.wish import Purpose, Wish

USUAL_CONTEXT = 8192
MIB = 1 << 20


def look(host: Host, config: Config, wish: Wish, *, on: Machine | None = None) -> Landscape:
    """The landscape of the models that `wish` and the policy allow, seen from this machine or from `on`."""
    machine = on or detect_machine(host, measure_bandwidth=False)
    context = wish.context or USUAL_CONTEXT
    wish = replace(wish, context=context)
    kept, _ = allowed(models_of(host.catalogs()), wish, load_policy(config))
    rated = [model for model in kept if model.quality is not None]
    backends = [b for b in host.backends() if wish.backend in (None, b.name)]
    rivals = [rival for model in rated if (rival := _rival(model, backends, machine, wish))]
    return landscape(
        rivals,
        machine,
        purpose=wish.purpose,
        context=context,
        catalog_date=max((c.date for c in host.catalogs() if c.date), default=None),
        unrated=len(kept) - len(rated),
        unplaced=len(rated) - len(rivals),
        latest=latest_evidence(),
    )


def _rival(model: Model, backends: Sequence[Backend], machine: Machine, wish: Wish) -> Rival | None:
    offers = {
        build.ref: (build, backend) for backend in reversed(backends) for build in backend.builds(model)
    }
    chosen = representative((build, _score(model, build, wish.purpose)) for build, _ in offers.values())
    if chosen is None:
        return None
    build, score = chosen
    backend = offers[build.ref][1]
    if model.context and wish.context:
        wish = replace(wish, context=min(wish.context, model.context))
    anywhere = _needed(backend, model, build, wish)
    if anywhere is None:
        return None
    return Rival(
        model=model,
        build=build,
        score=score,
        loss=loss_of(build, model) or 0.0,
        anywhere=anywhere,
        here=backend.fit(model, build, machine, wish),
    )


def _needed(backend: Backend, model: Model, build: Build, wish: Wish) -> Fit | None:
    """The fit with as much memory as it needs; of an engine that fills a share of any GPU, on the smallest that holds it."""
    needed = backend.fit(model, build, plenty(), wish)
    if needed is None or not needed.devices or needed.settings.memory_share is None:
        return needed if needed and needed.devices else None
    too_little, enough = 0, PLENTY
    while enough - too_little > max(MIB, enough // 100):
        size = (too_little + enough) // 2
        found = backend.fit(model, build, plenty(size), wish)
        if found is not None and found.runs:
            needed, enough = found, size
        else:
            too_little = size
    return needed if needed.runs else None


def _score(model: Model, build: Build, purpose: Purpose) -> float | None:
    """What the model in this build ranks by where it runs well."""
    loss = loss_of(build, model)
    doubt = doubt_of(build, model)
    return possible_score(model, purpose, loss, doubt)
