"""`launchpad run`: from a bare machine to a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    keep_option,
    make_wish,
    source_options,
    start_options,
    transfer_options,
    wish_options,
)
from launchpad.cli.script_options import script_options
from launchpad.cli.shared import Command
from launchpad.cli.talk_options import talk_options

if TYPE_CHECKING:
    from launchpad.wish import Wish

SCRIPT_SUFFIXES = (".yml", ".yaml", ".prompt.json")  # no model is named like that


@click.command(cls=Command)
@click.argument("model", required=False)
@click.argument("words", metavar="[PROMPT]", nargs=-1)
@talk_options
@wish_options
@engine_option
@source_options
@transfer_options
@keep_option(
    "Leave the engine loaded until it was not used for so long, such as 10m; 0: not. [default: engines.keep]"
)
@script_options
@click.option(
    "--print",
    "show",
    default="last",
    metavar="WHAT",
    help="Answers of a prompt file to print: last, all, none, or a name.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@start_options
@json_option
@click.pass_obj
def run(
    app: App,
    /,
    model: str | None,
    words: tuple[str, ...],
    wishes: dict[str, Any],
    projector: bool,
    allow_unpinned: bool,
    keep: float | None,
    script: dict[str, Any],
    show: str,
    offline: bool,
    dry_run: bool,
    yes: bool,
    talk: dict[str, Any],
) -> int:
    """Pick the best model that fits, pull it, start it, chat.

    MODEL is a catalog id (qwen3-8b), a reference (hf://org/repo:QUANT), a .gguf file, or auto (the default).
    With PROMPT, or with text on stdin, one answer is written to stdout; otherwise a chat opens.
    A single argument with a space in it is taken as the prompt; words after MODEL are joined.

    \b
    launchpad run
    launchpad run "What is the capital of France?"
    git diff | launchpad run auto:code "Write a commit message."
    """
    if model is not None and model.lower().endswith(SCRIPT_SUFFIXES):
        wish = make_wish(app, wishes, offline=offline, projector=projector, allow_unpinned=allow_unpinned)
        return _run_script(app, model, words, wish, script, yes=yes, show=show)
    prompt = " ".join(words) if words else None
    if model is not None and prompt is None and any(c.isspace() for c in model.strip()):
        model, prompt = None, model
    wish = make_wish(
        app, wishes, model=model, offline=offline, projector=projector, allow_unpinned=allow_unpinned
    )
    if app.hosts is not None:
        from launchpad.cli.cluster import write_commands

        return write_commands(app, wish, app.hosts)
    if dry_run:
        from launchpad.cli.launching import make_plan
        from launchpad.cli.plan import show_plan

        show_plan(app, make_plan(app, wish, starts=False))
        return 0

    from launchpad.cli.talk import Pipe
    from launchpad.cli.talk import talk as talk_with

    pipe = Pipe(
        style=script["output_format"], patience=script["stdin_timeout"], encoding=script["stdin_encoding"]
    )
    return talk_with(app, wish, prompt, talk, pipe, keep=keep, yes=yes)


def _run_script(
    app: App,
    path: str,
    words: tuple[str, ...],
    wish: Wish,
    script: dict[str, Any],
    *,
    yes: bool,
    show: str,
) -> int:
    from launchpad.cli.script import run_scripts
    from launchpad.errors import UsageError
    from launchpad.script.load import load_script

    if words:
        raise UsageError(
            f"{path} is a prompt file, and a prompt stands beside it.",
            why="A prompt file brings its own messages.",
            hint="Give texts by --var name=value, or by standard input ({{stdin}}).",
        )
    return run_scripts(app, [load_script(path)], wish, script, yes=yes, show=show)
