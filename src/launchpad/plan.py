"""The plan: the hinge between deciding and doing. PURE, plain data.

`--dry-run` shows it, `--json` prints it, tests assert on it. Left of it nothing has a side effect but probing; right
of it nothing decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from msgspec import Struct

from launchpad.catalog.model import Build, Defaults, License
from launchpad.choice.choose import Choice, Option
from launchpad.errors import NoModelFits
from launchpad.fit.result import Confirmation, Fit, Settings
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

EngineArguments = dict[str, str | int | float | bool]


class PullStep(Struct, frozen=True, kw_only=True):
    """Fetch these bytes. `size` in bytes (None: only the source knows).

    `projector`: with the vision projector, if there is one. `allow_unpinned`: also if nobody states a hash. `by` names the
    backend that fetches them into its own store; None: launchpad's own verified pull.
    """

    build: Build
    size: int | None
    license: License
    projector: bool = True
    allow_unpinned: bool = False
    by: str | None = None


class StartStep(Struct, frozen=True, kw_only=True):
    """Start this engine. `arguments` are exactly what it is told; `model_path` is None until the pull is done.

    `projector_path` is the vision projector that goes with the model, None where there is none. `draft_path` is a small model
    that guesses ahead, `loras` are adapters: files that the user named. `program` is the engine that the user named; None: the
    best one here. `cluster` is the dashboard of the live cluster that it is started on; None: this machine.
    """

    backend: str
    model_id: str
    model_name: str
    build: str
    model_path: str | None
    settings: Settings
    arguments: EngineArguments
    fit: Fit
    require_gpu: bool = False
    thinking: bool | None = None  # None: the model has no such switch
    web_ui: bool = False  # let the engine offer its own web page, for the gateway to show
    defaults: Defaults | None = None  # how the model answers best, unless the user says otherwise
    projector_path: str | None = None
    draft_path: str | None = None
    loras: tuple[str, ...] = ()
    program: str | None = None
    cluster: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What will be done: pull (None: the bytes are here), start, then chat.

    `notices` are lines that the user should see before it starts. `confirmation` is the engine's own word on the memory,
    None where it was not asked or cannot tell.
    """

    machine: Machine
    wish: Wish
    choice: Choice
    pull: PullStep | None
    start: StartStep
    notices: tuple[str, ...] = ()
    confirmation: Confirmation | None = None


def make_plan(
    machine: Machine,
    wish: Wish,
    choice: Choice,
    arguments: Callable[[Fit], EngineArguments],
    remarks: Sequence[str] = (),
    pulled_by: str | None = None,
) -> Plan:
    """Turn the choice's pick into steps. `arguments` is the chosen backend's pure function.

    `remarks` are lines about the backend that join the plan's notices; `pulled_by` is the backend that fetches by itself.
    Raises `NoModelFits` when there is no pick.
    """
    option = choice.pick
    if option is None:
        raise no_pick(choice, wish)
    local = option.availability.local
    live = machine.cluster.live if machine.cluster else None
    pull = None if local or live else pull_step(option, wish, pulled_by)  # nodes have models by themselves
    start = StartStep(
        backend=option.fit.backend,
        model_id=option.model.id,
        model_name=option.model.name,
        build=option.build.ref,
        model_path=(local.path or None) if local else None,
        projector_path=local.projector if local and wish.projector else None,
        draft_path=wish.draft,
        loras=wish.loras,
        settings=option.fit.settings,
        arguments=arguments(option.fit),
        fit=option.fit,
        require_gpu=wish.require_gpu,
        thinking=_thinking(option),
        defaults=option.model.defaults,
        cluster=live,
    )
    return Plan(
        machine=machine,
        wish=wish,
        choice=choice,
        pull=pull,
        start=start,
        notices=(*_notices(choice), *remarks),
    )


def pull_step(option: Option, wish: Wish, by: str | None = None) -> PullStep:
    """The step that fetches an option's build; `by` is the backend that fetches by itself."""
    return PullStep(
        build=option.build,
        size=option.build.size,
        license=option.model.license,
        projector=wish.projector,
        allow_unpinned=wish.allow_unpinned,
        by=by,
    )


def _thinking(option: Option) -> bool | None:
    style = (option.model.capabilities.thinking or "none").split(",")[0]
    return option.thinking if style == "switchable" else None


def _notices(choice: Choice) -> tuple[str, ...]:
    lines = list(choice.pick.fit.notes) if choice.pick else []
    missed = choice.unobtainable
    if missed:
        what = f"{missed.model.name} {missed.build.quantization} would have been the pick"
        hint = missed.availability.hint
        lines.insert(0, f"{what}, but {missed.reason}." + (f" {hint}" if hint else ""))
    return tuple(lines)


def no_pick(choice: Choice, wish: Wish) -> NoModelFits:
    """The error for a choice without a pick, naming the nearest model and what stands against it."""
    if choice.considered == 0:
        return NoModelFits(
            "No model satisfies the wish.",
            why="Every model of the catalogs was ruled out before its fit was computed.",
            hint="Loosen --license, --country, --needs or --backend; `launchpad models` lists what there is.",
        )
    missed = choice.unobtainable
    if missed:
        return NoModelFits(
            f"{missed.model.name} fits this machine, but cannot be had from here.",
            why=_sentence(missed.reason),
            hint=missed.availability.hint,
        )
    nearest = choice.better
    if nearest is None:
        return NoModelFits("No model runs here as wished.", hint="`launchpad recommend` shows what fits.")
    named = wish.model is not None
    return NoModelFits(
        f"{nearest.model.name} does not run here as wished." if named else "No model runs here as wished.",
        why=_sentence(nearest.reason if named else f"The nearest is {nearest.model.name}: {nearest.reason}"),
        hint=_way_out(nearest, wish),
    )


def _way_out(nearest: Option, wish: Wish) -> str:
    """What to type next when nothing runs."""
    if nearest.fit.way_out:
        return nearest.fit.way_out
    if wish.require_gpu:
        return "Run it without --require-gpu; `launchpad hardware --evidence` shows which GPUs were found."
    if wish.min_speed and nearest.fit.runs:
        return "Lower --min-speed, or take a smaller model: `launchpad recommend` shows what fits."
    if wish.context and not nearest.fit.runs:
        if wish.context // (wish.parallel or 1) > (nearest.model.context or inf):
            return "Lower --context, or take a model made for more: `launchpad models` tells which is."
        return "Lower --context, or take a smaller model: `launchpad recommend` shows what fits."
    return "Take a smaller model or build: `launchpad recommend` shows what fits."


def _sentence(reason: str) -> str:
    """A reason as a sentence; a first word that is a name (vLLM, a host's) stays as it is."""
    first, end = reason.partition(" ")[0], "" if reason.endswith((".", "!", "?")) else "."
    is_name = "." in first or first[1:2].isupper()
    return (reason if is_name else reason[:1].upper() + reason[1:]) + end
