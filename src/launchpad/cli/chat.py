"""`launchpad chat`: a conversation at the terminal, or one answer in a pipe."""

from __future__ import annotations

from typing import Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    json_option,
    keep_option,
    make_wish,
    source_options,
    start_options,
    transfer_options,
    wish_options,
)
from launchpad.cli.shared import Command
from launchpad.cli.talk_options import talk_options


@click.command(cls=Command)
@click.argument("model", required=False)
@talk_options
@wish_options
@source_options
@transfer_options
@keep_option("Leave the engine loaded until it was not used for so long. [default: engines.keep]")
@click.option(
    "--output-format",
    "style",
    type=click.Choice(["text", "json", "stream-json"]),
    help="What stdout gets of one answer. [default: text]",
)
@click.option(
    "--stdin-timeout",
    "patience",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long a silent pipe is waited for.",
)
@click.option(
    "--stdin-encoding", "encoding", default="utf-8", metavar="NAME", help="Encoding of standard input."
)
@start_options
@json_option
@click.pass_obj
def chat(
    app: App,
    /,
    model: str | None,
    talk: dict[str, Any],
    wishes: dict[str, Any],
    projector: bool,
    allow_unpinned: bool,
    keep: float | None,
    style: str | None,
    patience: float | None,
    encoding: str,
    offline: bool,
    yes: bool,
) -> int:
    """Chat with MODEL, or with the best that fits.

    What is said is kept from the first word on: -c goes on with the last conversation, --session NAME with that one.
    With -p, or with text on standard input, one answer is written to stdout.

    \b
    launchpad chat
    launchpad chat -c
    launchpad chat -p "Explain this error" < build.log
    launchpad chat -p "Who sent it?" --schema invoice.json --output-format json < mail.txt
    """
    from launchpad.cli.talk import Pipe
    from launchpad.cli.talk import talk as talk_with

    wish = make_wish(
        app, wishes, model=model, offline=offline, projector=projector, allow_unpinned=allow_unpinned
    )
    pipe = Pipe(style=style, patience=patience, encoding=encoding)
    return talk_with(app, wish, None, talk, pipe, keep=keep, yes=yes)
