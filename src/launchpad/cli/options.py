"""Options that several commands share, and how they become a `Wish`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from launchpad.cli.app import App
from launchpad.cli.shared import Options, SharedOption, gathered
from launchpad.wish import LEAST_CONTEXT

if TYPE_CHECKING:
    from launchpad.hardware.machine import Machine
    from launchpad.wish import Wish

P = ParamSpec("P")
R = TypeVar("R")

CHOICE, START, DOWNLOAD = "Choice of the model", "Start of the engine", "Download"  # headings of the help
PURPOSES = ("chat", "code", "reasoning", "vision", "tools", "multilingual")
KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")


class Size(click.ParamType[int]):
    """A number of bytes such as 500MB, 8GB or 24GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or fail with what is wrong."""
        from launchpad.errors import UsageError
        from launchpad.sizes import parse_size

        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except UsageError as error:
            self.fail(f"{error.what} {error.why or error.hint or ''}".strip(), param, ctx)


class Duration(click.ParamType[float]):
    """A time such as 90s, 5m or forever."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, or fail with what is wrong."""
        from launchpad.durations import parse_duration
        from launchpad.errors import UsageError

        try:
            return value if isinstance(value, float) else parse_duration(value)
        except UsageError as error:
            self.fail(f"{error.what} {error.hint}", param, ctx)


def keep_option(help: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`--keep TIME`."""
    return click.option("--keep", type=Duration(), metavar="TIME", help=help)


def json_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--json`: one JSON document on stdout, errors included."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        app = ctx.find_object(App)
        if value and app is not None:
            app.output.json_mode = True

    return click.option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=remember,
        help="Print one JSON document.",
    )(function)


class Rate(click.ParamType[int]):
    """Bytes per second such as 10MB/s."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or fail with what is wrong."""
        from launchpad.errors import UsageError
        from launchpad.sizes import parse_rate

        if isinstance(value, int):
            return value
        try:
            return parse_rate(value)
        except UsageError as error:
            self.fail(f"{error.what} {error.why or error.hint or ''}".strip(), param, ctx)


def transfer_options(function: Callable[P, R]) -> Callable[P, R]:
    """How bytes are fetched: for this command, in the place of the settings `pull.*`."""

    def remember(ctx: click.Context, param: click.Parameter, value: float | None) -> None:
        app = ctx.find_object(App)
        if value is not None and app is not None and param.name is not None:
            app.use_pull(**{param.name: value})

    options = (
        ("--max-rate", Rate(), "RATE", "Fetch at most so much, such as 10MB/s."),
        ("--connections", click.IntRange(1, 64), "N", "Connections for a large file, at most. [default: 8]"),
        (
            "--lock-timeout",
            click.FloatRange(0),
            "SECONDS",
            "Longest wait for another pull that does not move.",
        ),
    )
    for flag, kind, metavar, text in reversed(options):
        function = click.option(
            flag,
            type=kind,
            metavar=metavar,
            expose_value=False,
            callback=remember,
            help=text,
            cls=SharedOption,
            heading=DOWNLOAD,
        )(function)
    return function


_START: Options = {
    "context": (("--context",), {"type": click.IntRange(LEAST_CONTEXT), "metavar": "TOKENS", "help": "Context that is needed."}),
    "parallel": (("--parallel",), {"type": click.IntRange(1, 256), "metavar": "N", "help": "Conversations that share the context."}),
    "kv_type": (("--kv-type",), {"type": click.Choice(KV_TYPES), "metavar": "TYPE", "help": "Type of the KV cache, such as q8_0."}),
    "ubatch": (("--ubatch",), {"type": click.IntRange(1, 1 << 20), "metavar": "TOKENS", "help": "Tokens computed at once."}),
    "draft": (("--draft",), {"metavar": "FILE", "help": "A small GGUF model of the same vocabulary that guesses ahead."}),
    "loras": (("--lora",), {"multiple": True, "metavar": "FILE", "help": "A GGUF adapter to put on the model."}),
    "backend": (("--backend",), {"metavar": "NAME", "help": "Use this backend only."}),
}  # fmt: skip

_CHOICE: Options = {
    "purpose": (("--purpose",), {"type": click.Choice(PURPOSES), "help": "What it is for. [default: chat]"}),
    "licenses": (("--license",), {"multiple": True, "metavar": "ID", "help": "osi, commercial, or a license id."}),
    "countries": (("--country",), {"multiple": True, "metavar": "ISO", "help": "Only labs from these countries."}),
    "not_countries": (("--not-country",), {"multiple": True, "metavar": "ISO", "help": "No labs from these."}),
    "labs": (("--lab",), {"multiple": True, "metavar": "NAME", "help": "Only models of these labs."}),
    "needs": (("--needs",), {"multiple": True, "metavar": "WHAT", "help": "tools, vision, thinking, code, audio."}),
    "min_speed": (("--min-speed",), {"type": click.FloatRange(min=0), "metavar": "TOK/S", "help": "Least decode speed."}),
    "max_download": (("--max-download",), {"type": Size(), "metavar": "SIZE", "help": "Largest download."}),
    "policy": (("--policy",), {"metavar": "FILE", "help": "Keep this policy (TOML) instead of the configured one."}),
    "require_gpu": (("--require-gpu",), {"is_flag": True, "help": "Refuse to run on the CPU."}),
    "allow_swap": (("--allow-swap",), {"is_flag": True, "help": "Allow picks that would make the machine swap."}),
}  # fmt: skip

wish_options = gathered("wishes", {CHOICE: _CHOICE, START: _START})
"""The options that say what the pick must be like; the command receives them as `wishes`."""


def source_options(function: Callable[P, R]) -> Callable[P, R]:
    """What to fetch with a model, and what to insist on; the command hands them to `make_wish`."""
    for option in (
        click.option(
            "--allow-unpinned",
            is_flag=True,
            help="Keep a file for which nobody states a hash.",
            cls=SharedOption,
            heading=DOWNLOAD,
        ),
        click.option(
            "--projector/--no-projector",
            default=True,
            help="Fetch the vision projector, too. [default: yes]",
            cls=SharedOption,
            heading=DOWNLOAD,
        ),
    ):
        function = option(function)
    return function


def engine_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--engine`: which llama.cpp, for this command, in the place of the setting `llamacpp.program`."""

    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            import os

            os.environ["LAUNCHPAD_LLAMACPP_PROGRAM"] = value  # plugins read settings by themselves

    return click.option(
        "--engine",
        metavar="PROGRAM",
        expose_value=False,
        callback=remember,
        help="Which llama.cpp: embedded, or the path of a llama-server. [default: the best one here]",
        cls=SharedOption,
        heading=START,
    )(function)


def on_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--on`: another machine than this one."""
    return click.option(
        "--on",
        metavar="MACHINE",
        help='Another machine: "RTX 4090", "2x H100 80GB", machine.toml; or a live cluster: ray, ray://HEAD.',
    )(function)


_WRITES = ("run", "serve")  # commands that write what starts a model on hosts, where launchpad itself cannot


def on_live_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--on` where something is started: a live cluster, or hosts that the user starts it on; what is only described is refused."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        app = context.find_object(App)
        if value is None or app is None or context.resilient_parsing:
            return
        from launchpad.errors import RefusedError
        from launchpad.hardware.named import is_live, is_reachable, named_machine
        from launchpad.hardware.ray_dashboard import is_ray

        if is_ray(value.strip()) or is_live(machine := named_machine(value)):
            app.on = value.strip()
        elif context.info_name in _WRITES and is_reachable(machine):
            app.hosts = machine
        else:
            raise RefusedError(
                f"{context.info_name} starts nothing on another machine.",
                why="That one is only simulated.",
                hint=_instead(value, several=machine.cluster is not None) if value.isprintable() else None,
            )

    return click.option(
        "--on",
        metavar="CLUSTER",
        expose_value=False,
        callback=remember,
        help="Run across a live Ray cluster: ray, or ray://HEAD; for a hosts.toml the commands of each host are written.",
    )(function)


def start_options(function: Callable[P, R]) -> Callable[P, R]:
    """`--offline`, `--yes` and `--on`, of the commands that start an engine."""
    for option in (
        on_live_option,
        click.option("-y", "--yes", is_flag=True, help="Do not ask before a download, whatever its size."),
        click.option("--offline", is_flag=True, help="Make no connection; use what is on disk."),
    ):
        function = option(function)
    return function


def _instead(on: str, *, several: bool) -> str:
    """What to type for a machine that is only described."""
    if several:
        return f"launchpad cluster emit commands --on '{on}' writes what to start on each of its nodes."
    return f"launchpad plan --on '{on}' shows what would run there."


def make_wish(
    app: App,
    wishes: dict[str, Any],
    *,
    model: str | None = None,
    offline: bool = False,
    projector: bool = True,
    allow_unpinned: bool = False,
) -> Wish:
    """The command line's options over the configuration's defaults."""
    from launchpad.wish import Wish

    if wishes["policy"]:
        app.use_policy(wishes["policy"])
    run = app.config.run
    purpose = wishes["purpose"] or (model[5:] if model and model.startswith("auto:") else None) or run.purpose
    if purpose not in PURPOSES:
        from launchpad.errors import UsageError

        raise UsageError(f"There is no purpose {purpose!r}.", hint=f"Use one of {', '.join(PURPOSES)}.")
    return Wish(
        model=model,
        purpose=purpose,  # type: ignore[arg-type]
        context=wishes["context"] or run.context,
        parallel=wishes["parallel"],
        kv_type=wishes["kv_type"],
        ubatch=wishes["ubatch"],
        min_speed=wishes["min_speed"] if wishes["min_speed"] is not None else run.min_speed,
        licenses=_words(wishes["licenses"], str.lower) or run.licenses,
        countries=_words(wishes["countries"], str.upper) or run.countries,
        not_countries=_words(wishes["not_countries"], str.upper) or run.not_countries,
        labs=_words(wishes["labs"], str.lower),
        needs=_words(wishes["needs"], str.lower),
        max_download=wishes["max_download"],
        backend=wishes["backend"] or run.backend,
        require_gpu=wishes["require_gpu"] or run.require_gpu,
        allow_swap=wishes["allow_swap"],
        offline=offline or run.offline,
        projector=projector,
        allow_unpinned=allow_unpinned,
        draft=_whole(wishes["draft"]) if wishes["draft"] else None,
        loras=tuple(map(_whole, wishes["loras"])),
        on=app.on,
    )


def simulated(on: str | None) -> Machine | None:
    """The machine that `--on` describes, or the live cluster that it names; None without it."""
    if on is None:
        return None
    from launchpad.hardware.named import is_live, named_machine

    machine = named_machine(on)
    if is_live(machine):
        app = click.get_current_context().ensure_object(App)
        for warning in machine.warnings:
            app.output.warn(warning)
    return machine


def _whole(path: str) -> str:
    """A file that is named in one folder means the same one in another."""
    from pathlib import Path

    return str(Path(path).expanduser().absolute())


def _words(values: tuple[str, ...], fold: Callable[[str], str]) -> tuple[str, ...]:
    """Repeated and comma-separated values, as one tuple."""
    return tuple(fold(word.strip()) for value in values for word in value.split(",") if word.strip())
