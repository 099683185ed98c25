"""From a wish to a choice and a plan: survey the world, compute the fits, choose. Glue between edge and pure parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.filters import check_filters
from launchpad.catalog.load import labs
from launchpad.catalog.lookalike import refuse_lookalike
from launchpad.catalog.merge import models_of
from launchpad.catalog.model import Model
from launchpad.catalog.reference import parse
from launchpad.catalog.select import select
from launchpad.choice import engines as engine_choice
from launchpad.choice.choose import Candidate, Choice
from launchpad.choice.found import found_builds
from launchpad.choice.known_fits import KnownFits
from launchpad.choice.policy import Policy, breach_of_source, enforce, permitted, refusal
from launchpad.choice.scoring import rate
from launchpad.choice.shortlist import shortlist
from launchpad.config import named_program
from launchpad.config.policy_file import load_policy
from launchpad.errors import EngineMissing, NoModelFits
from launchpad.hardware.machine import Machine
from launchpad.hardware.named import named_machine
from launchpad.launcher.beside import with_beside
from launchpad.launcher.confirm import confirmed
from launchpad.lookup.named import is_auto, named_models, served_models
from launchpad.plan import Plan, make_plan
from launchpad.plugins.spec import BackendStatus
from launchpad.survey import (
    Survey,
    consider,
    engine_of,
    in_own_store,
    local_key,
    survey,
    too_large_for,
    unread,
    ways,
)
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.plugins.host import Host


class Decision(Struct, frozen=True, kw_only=True):
    """A choice and what it was made from. `dropped` maps the models that a filter ruled out to the reason."""

    survey: Survey
    wish: Wish
    choice: Choice
    dropped: dict[str, str]


def decide(
    host: Host,
    config: Config,
    wish: Wish,
    *,
    on: Machine | None = None,
    ask_sources: bool = False,
    freed: Mapping[str, int] | None = None,
    only: Callable[[Candidate], bool] | None = None,
) -> Decision:
    """Choose for this machine, for `on`, or for what the wish names. Raises `UnknownModel` when the wish names a model nobody knows.

    `only` is a condition on each way to run a model, beyond what the wish can say.
    """
    if on is None and wish.on is not None:
        on = named_machine(wish.on, freed)
    seen, models, dropped = _look(host, config, wish, on, ask_sources, freed=freed)
    if not is_auto(wish.model) and wish.min_speed is None:
        # Who names a model wants that model, however slow: the speed is told, not judged.
        wish = replace(wish, min_speed=0.0)
    if models and not any(here.usable for here in seen.backends):
        raise _no_engine(seen)
    if only is None:
        candidates = _candidates(host, seen, wish, models)
    else:
        candidates = [one for one in consider(seen, wish, models) if only(one)]
    if not candidates and models and not is_auto(wish.model):
        raise _no_engine_reads(models[0], seen)
    choice = host.choose(candidates, wish)
    choice = replace(choice, engine=_engine_reason(choice, seen, wish))
    return Decision(survey=seen, wish=wish, choice=choice, dropped=dropped)


def _engine_reason(choice: Choice, seen: Survey, wish: Wish) -> str | None:
    """Why the pick's engine runs it, where another could."""
    if choice.pick is None:
        return None
    if wish.backend is not None:
        return f"you asked for {wish.backend}"
    engines = [engine_of(here, seen.machine) for here in seen.backends if here.plays(wish)]
    return engine_choice.reason(
        choice.pick.fit.backend,
        engines,
        choice.pick.build,
        held=in_own_store(choice.pick.availability),
    )


def _candidates(host: Host, seen: Survey, wish: Wish, models: Sequence[Model]) -> list[Candidate]:
    """Those that can matter to the built-in choice; all, where a model is named or a plugin chooses its own way."""
    if not is_auto(wish.model) or host.has_choosers:
        return consider(seen, wish, models)
    known = KnownFits()
    return shortlist(models, wish, lambda model: ways(seen, wish, model, known), too_large_for(seen, wish))


def _no_engine(seen: Survey) -> EngineMissing:
    """The error for a machine without an engine: what stands against the nearest, one that is here before one to install."""
    what = "No engine can be used here, so no model can run."
    statuses = [(here.backend.name, here.status) for here in seen.backends if here.status is not None]
    if not statuses:
        return EngineMissing(
            what, why="Every backend is switched off.", hint="`launchpad plugins` lists them."
        )
    name, nearest = min(statuses, key=lambda one: one[1].state != "unusable")
    return EngineMissing(what, why=f"{name}: {nearest.why}", hint=nearest.hint)


def _no_engine_reads(model: Model, seen: Survey) -> NoModelFits | EngineMissing:
    """The error for a model that is known, in a form that no engine here runs; what stands against one that could."""
    forms_of = {build.format for build in model.builds}
    for here in seen.backends:
        broken = not here.usable and here.status is not None and here.status.state == "unusable"
        if broken and here.status and forms_of & set(here.backend.capabilities.formats):
            what = f"{here.backend.name}, which reads {model.name}, cannot be used here."
            return EngineMissing(what, why=here.status.why, hint=here.status.hint)
    usable = [here.backend for here in seen.backends if here.usable]
    read = {form for backend in usable for form in backend.capabilities.formats}
    forms = ", ".join(sorted(forms_of)) or "no form that can be run"
    whole = next((one for one in seen.models if one.id == model.id), model)
    other = any(build.format in read for build in whole.builds)
    return NoModelFits(
        f"No engine here runs {model.name} in this form.",
        why=f"It is {forms}; the engines here read {', '.join(sorted(read)) or 'nothing'}.",
        hint=f"Name the model instead of the place, for its other builds: {whole.id}"
        if other
        else "`launchpad doctor` says which engines there are, and how to get more.",
    )


def fits_of(
    host: Host, config: Config, wish: Wish, *, on: Machine | None = None
) -> tuple[Survey, list[Candidate]]:
    """Every way to run the model that the wish names, fitting or not.

    A place is looked up at its source, headers only. Where no engine here reads the format, the built-in fit speaks.
    """
    seen, models, _ = _look(host, config, wish, on, ask_sources=False, to_run=False)
    return seen, consider(seen, wish, models) or unread(seen, wish, models)


def make_plan_for(
    host: Host,
    config: Config,
    wish: Wish,
    *,
    on: Machine | None = None,
    ask_sources: bool = False,
    starts_next: bool = False,
    freed: Mapping[str, int] | None = None,
    only: Callable[[Candidate], bool] | None = None,
) -> Plan:
    """Decide, plan, and ask the engine about the pick. Raises `NoModelFits` when nothing can run.

    When the engine `starts_next`, it is asked only before a download: what it does with a file that is here, it will
    tell by itself. `freed` is memory, in bytes by device, that can be had though it is not free now.
    """
    made = decide(host, config, wish, on=on, ask_sources=ask_sources, freed=freed, only=only)
    pick = made.choice.pick
    backend = pick.fit.backend if pick else None
    pulled_by = None
    chosen = [here for here in made.survey.backends if here.backend.name == backend]
    if pick is not None and any(here.pulls(pick.build) for here in chosen):
        pulled_by = backend
    remarks = [_remark(here.status) for here in chosen]
    if wish.on is not None:
        remarks += made.survey.machine.warnings
    plan = _with_program(
        make_plan(
            made.survey.machine,
            made.wish,
            made.choice,
            lambda fit: chosen[0].backend.arguments(fit),
            [line for line in remarks if line],
            pulled_by,
        )
    )
    plan = with_beside(plan)
    if starts_next and plan.pull is None:
        return plan
    return confirmed(host, plan, connect=ask_sources and not wish.offline)


def _with_program(plan: Plan) -> Plan:
    """The plan with the engine that the user named: no other one that is loaded does what was asked for."""
    return replace(plan, start=replace(plan.start, program=named_program(plan.start.backend)))


def _remark(status: BackendStatus | None) -> str | None:
    """What a usable backend says of itself that the user should know, such as a GPU that its build leaves idle."""
    if status is None or status.why is None:
        return None
    return f"{status.why} To change that: {status.hint}" if status.hint else status.why


def _look(
    host: Host,
    config: Config,
    wish: Wish,
    on: Machine | None,
    ask_sources: bool,
    *,
    to_run: bool = True,
    freed: Mapping[str, int] | None = None,
) -> tuple[Survey, Sequence[Model], dict[str, str]]:
    """The world, the models that the wish allows, and why the others were dropped."""
    if wish.backend is not None:
        host.backend(wish.backend)  # a mistyped name is an error, not an empty list
    policy = load_policy(config)
    if policy is not None and not is_auto(wish.model):
        _check_source(policy, wish.model or "")  # before anything is asked of a source
    # The nodes of a cluster have their models by themselves: whether a source answers here is of no account.
    asks = ask_sources and wish.on is None
    seen = survey(host, config, wish, on=on, ask_sources=asks, freed=freed)
    if to_run:
        _check_backend(seen, wish)
    if is_auto(wish.model):
        # A server that runs already has its own models, which no catalog lists: asked for by name, it is asked for them.
        models, dropped = allowed((*served_models(seen, wish), *seen.models), wish, policy)
        return seen, models, dropped
    refuse_lookalike(parse(wish.model or ""), seen.models)
    connect = (ask_sources or not to_run) and not wish.offline
    named = named_models(wish.model or "", seen, host, connect=connect, to_run=to_run)
    # The same bytes under another name, or in another program's store, need not come a second time.
    same = {} if on else found_builds(named.models, seen.local.values())
    keyed = {local_key(ref, local.format): local for ref, local in same.items()}
    seen = replace(seen, local={**keyed, **seen.local, **named.local}, layouts=named.layouts)
    models = named.models if policy is None else enforce(policy, named.models)
    _check_wanted(models, wish)
    return seen, models, {}


def _check_backend(seen: Survey, wish: Wish) -> None:
    """Say what stands against an engine that was asked for by name, instead of finding no model for it."""
    for here in seen.backends:
        if wish.backend == here.backend.name and not here.usable and here.status is not None:
            raise EngineMissing(
                f"{wish.backend} cannot be used here.", why=here.status.why, hint=here.status.hint
            )


def allowed(
    models: Sequence[Model], wish: Wish, policy: Policy | None
) -> tuple[Sequence[Model], dict[str, str]]:
    """What filters and policy leave, and why each other model was dropped. Raises `UsageError` for unknown names."""
    if wish.licenses or wish.countries or wish.not_countries or wish.labs:
        check_filters(wish, models, labs())
    selection = select(models, wish)
    dropped = {x.model_id: x.reason for x in selection.dropped}
    if policy is None:
        return selection.kept, dropped
    kept, forbidden = permitted(policy, selection.kept)
    return kept, {**dropped, **forbidden}


def list_models(host: Host, config: Config, wish: Wish) -> tuple[list[Model], dict[str, str]]:
    """The models of the catalogs that the wish allows, and why each other one was dropped.

    This machine is looked at only when the wish states a least speed.
    """
    every = models_of(host.catalogs())
    kept, dropped = allowed(every, wish, load_policy(config))
    small = [model for model in kept if _has_small_build(model, wish)]
    dropped |= dict.fromkeys(
        {model.id for model in kept} - {model.id for model in small}, "no build is known to be that small"
    )
    if wish.min_speed is None:
        return small, dropped
    seen = survey(host, config, wish)
    rated = [rate(candidate, wish) for candidate in consider(seen, wish, small)]
    quick = {r.candidate.model.id for r in rated if r.obstacle is None}
    dropped |= {model.id: "it does not run that fast here" for model in small if model.id not in quick}
    return [model for model in small if model.id in quick], dropped


def _has_small_build(model: Model, wish: Wish) -> bool:
    most = wish.max_download
    return most is None or any(build.size is not None and build.size <= most for build in model.builds)


def _check_source(policy: Policy, text: str) -> None:
    reference = parse(text)
    scheme = "file" if reference.kind == "path" else reference.scheme
    if scheme and (breach := breach_of_source(policy, scheme)):
        raise refusal(policy, reference.text, breach)


def _check_wanted(models: Sequence[Model], wish: Wish) -> None:
    """Refuse a named model that the filters rule out: whoever gave both wants to know. Purposes are no filters here."""
    for dropped in select(models, replace(wish, purpose="chat")).dropped:
        raise NoModelFits(
            f"{dropped.model_id} is ruled out by your own filters.",
            why=f"{dropped.reason[0].upper()}{dropped.reason[1:]}.",
            hint="Leave the filter out (`launchpad config` shows those that are set for good), or name another model.",
        )
