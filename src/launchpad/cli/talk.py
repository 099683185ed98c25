"""What `chat` and `run` share: from a wish and a prompt to the end of the talk."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from launchpad.errors import UsageError

if TYPE_CHECKING:
    from launchpad.cli.app import App
    from launchpad.cli.partner import Partner
    from launchpad.wish import Wish

STYLES = ("text", "json", "stream-json")


class Pipe(Struct, frozen=True, kw_only=True):
    """What becomes of standard input and output. `patience` in seconds, None: the default."""

    style: str | None = None
    patience: float | None = None
    encoding: str = "utf-8"


def talk(
    app: App,
    wish: Wish,
    argument: str | None,
    options: Mapping[str, Any],
    pipe: Pipe,
    *,
    keep: float | None,
    yes: bool,
) -> int:
    """One answer, or the chat; returns the exit code. Everything that can be wrong is found before a model starts."""
    from launchpad.cli.conversation import Talk, converse
    from launchpad.cli.toolbox import toolbox

    app.output.json_mode = app.output.json_mode or pipe.style == "json"
    style = "json" if app.output.json_mode else _style(pipe.style)
    session, earlier = _session(options)
    if wish.model is None and earlier is not None:
        wish = replace(wish, model=earlier)
    prompt = _prompt(app, wish, argument, options, pipe, style)
    asked = Talk(
        prompt=prompt,
        style=style,
        schema=_schema(options["schema"], prompt),
        images=_images(options["images"], prompt),
        tools=toolbox(
            options["tools"], options["tool_commands"], yes=options["yes_tools"], tell=app.output.note
        ),
        session=session,
        system=options["system"],
        think=options["think"],
        whole=options["no_stream"],
        sampling={name: options[name] for name in ("seed", "temperature", "max_tokens")},
        yes=yes,
    )
    partner = _partner(app, wish, keep=keep, yes=yes)
    try:
        code = converse(app, partner, asked)
    finally:
        if partner.running is not None:
            partner.running.stop()
    if app.timeline.is_first_run and app.timeline.complete:
        app.output.note(app.timeline.line)
    return code


def _partner(app: App, wish: Wish, *, keep: float | None, yes: bool) -> Partner:
    """Plan and start, unless an engine that does is loaded, or a stand-in is wanted."""
    from launchpad.cli.partner import real, stand_in

    found = stand_in(wish.backend)
    if found is not None:
        return found
    from launchpad.cli.launching import begin, keep_seconds, loaded, make_plan
    from launchpad.cli.notices import note_age, tell
    from launchpad.lookup.named import is_auto

    if not app.introduces and (here := loaded(app, wish)) is not None:
        return real(*here)
    plan = make_plan(app, wish, starts=True)
    if is_auto(wish.model):
        note_age(app)
    app.timeline.is_first_run = app.introduces or plan.pull is not None
    if app.introduces:
        from launchpad.cli.introduction import introduce

        introduce(app, plan)
    else:
        tell(app.output, plan)
    return real(*begin(app, plan, yes=yes, keep=keep_seconds(app, keep)))


def _style(wanted: str | None) -> str:
    if wanted in (None, *STYLES):
        return wanted or "text"
    raise UsageError(
        f"--output-format {wanted} is for prompt files.",
        why="This is a single prompt, or a chat.",
        hint=f"Use one of {', '.join(STYLES)}.",
    )


def _session(options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The session to go on with, and the model that answered in it."""
    from launchpad.chat.transcript import list_sessions, read_records, session_path

    name = options["session"]
    if options["latest"]:
        if name is not None:
            raise UsageError(
                "--continue and --session name two sessions.", why="There can be one.", hint="Leave one out."
            )
        name = next(iter(list_sessions()), None)
        if name is None:
            raise UsageError(
                "There is no session to go on with.",
                why="No conversation was kept yet.",
                hint="`launchpad chat` begins one.",
            )
    if name is None:
        return None, None
    references = [record.get("reference") for record in read_records(session_path(name))]
    return name, next((str(found) for found in reversed(references) if found), None)


def _prompt(
    app: App, wish: Wish, argument: str | None, options: Mapping[str, Any], pipe: Pipe, style: str
) -> str | None:
    """The prompt from the command line and standard input; None when a person sits there and wants to chat.

    Read before anything is started, so that a missing prompt costs no download.
    """
    from launchpad.chat.stdin import PATIENCE_SECONDS, combine_prompt, read_stdin

    if options["prompt"] is not None:
        if argument is not None:
            raise UsageError(
                "There are two prompts.",
                why="One is an argument, one is after --prompt.",
                hint="Leave one out.",
            )
        argument = options["prompt"]
    piped = None
    if not options["no_stdin"]:
        piped = read_stdin(
            argument,
            notice=app.output.note,
            patience=PATIENCE_SECONDS if pipe.patience is None else pipe.patience,
            encoding=pipe.encoding,
        )
    text = combine_prompt(argument, piped).strip()
    if text:
        return text
    if argument is None and sys.stdin.isatty() and style == "text":
        return None
    taken = f" {wish.model!r} was taken as the model." if wish.model else ""
    raise UsageError(
        "There is no prompt.",
        why=f"Standard input is not a terminal, and nothing came from it.{taken}",
        hint=f'Give one: launchpad run {wish.model or "auto"} "Why is the sky blue?"',
    )


def _schema(given: str | None, prompt: str | None) -> Mapping[str, Any] | None:
    if given is None:
        return None
    from launchpad.cli.schema_option import read_schema

    if prompt is None:
        raise UsageError("--schema is for one answer.", why="A chat has many.", hint="Give a prompt: -p TEXT")
    return read_schema(given)


def _images(paths: tuple[str, ...], prompt: str | None) -> tuple[str, ...]:
    from pathlib import Path

    from launchpad.chat.images import read_image

    if paths and prompt is None:
        raise UsageError(
            "--image is for one prompt.", why="A chat opens.", hint="Use /image FILE in the chat."
        )
    return tuple(read_image(Path(path)) for path in paths)
