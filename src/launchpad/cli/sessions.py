"""`launchpad sessions`: the conversations that were kept."""

from __future__ import annotations

import sys

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.question import ask_consent
from launchpad.cli.shared import Group

FORMATS = ("markdown", "openai-chat", "jsonl")


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def sessions(ctx: click.Context) -> None:
    """List, export and remove conversations.

    \b
    launchpad sessions
    launchpad sessions export 20261127-101500-a1b2c3 > talk.md
    launchpad sessions rm 20261127-101500-a1b2c3
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_all)


@sessions.command("list")
@json_option
@click.pass_obj
def list_all(app: App) -> None:
    """List the conversations, the one that was used last first.

    \b
    launchpad sessions list --json
    """
    from launchpad.chat.listing import overview
    from launchpad.cli.talk_documents import SessionList

    found = overview()
    if app.output.json_mode:
        app.output.data(SessionList(sessions=found))
        return
    if not found:
        app.output.note("No conversation was kept yet; `launchpad chat` begins one.")
        return
    rows = [(each.name, str(each.messages), each.model or "", each.used, each.first or "") for each in found]
    app.output.table(
        ("session", "messages", "model", "last used", "began with"),
        rows,
        right=(1,),
        spare=("model", "last used"),
    )


@sessions.command()
@click.argument("name")
@click.option(
    "--as", "style", type=click.Choice(FORMATS), default="markdown", help="The format. [default: markdown]"
)
@json_option
@click.pass_obj
def export(app: App, name: str, style: str) -> None:
    """Write a conversation to stdout: a page, a line for fine-tuning, or the file as it is kept.

    \b
    launchpad sessions export NAME --as openai-chat >> tuning.jsonl
    """
    from launchpad.chat.export import as_markdown, as_openai_line
    from launchpad.chat.listing import conversation, raw

    if style == "jsonl" and not app.output.json_mode:
        sys.stdout.write(raw(name))
        return
    model, messages = conversation(name)
    if app.output.json_mode:
        from launchpad.chat.options import written
        from launchpad.cli.talk_documents import SessionExport

        app.output.data(SessionExport(name=name, model=model, messages=tuple(map(written, messages))))
        return
    sys.stdout.write(
        as_openai_line(messages) if style == "openai-chat" else as_markdown(messages, model or "Model")
    )


@sessions.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def rm(app: App, names: tuple[str, ...], yes: bool) -> None:
    """Remove conversations.

    \b
    launchpad sessions rm NAME --yes
    """
    from launchpad.chat.listing import raw
    from launchpad.chat.transcript import remove_session
    from launchpad.cli.talk_documents import SessionsRemoved
    from launchpad.errors import RefusedError

    for name in names:
        raw(name)  # a mistyped one is found before any is removed
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise RefusedError(
                "Nobody is here to agree.", why="What is removed is gone.", hint="Run it again with --yes."
            )
        ask_consent(f"Remove {', '.join(names)}?")
    for name in names:
        remove_session(name)
    if app.output.json_mode:
        app.output.data(SessionsRemoved(names=names))
        return
    app.output.note(f"removed {', '.join(names)}")
