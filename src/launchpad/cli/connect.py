"""`launchpad connect`: point a coding agent at the running gateway, and back."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option

if TYPE_CHECKING:
    from launchpad.connect.agents import Agent
    from launchpad.connect.apply import Change
    from launchpad.connect.settings import Target


@click.command()
@click.argument("agent", required=False)
@click.option("--model", metavar="NAME", help="Use this model of the gateway. [default: its first]")
@click.option("--port", type=click.IntRange(1, 65_535), help="The gateway on this port, where several run.")
@click.option("--dry-run", is_flag=True, help="Show what would change and write nothing.")
@click.option("--undo", is_flag=True, help="Put the settings back as they were.")
@json_option
@click.pass_obj
def connect(
    app: App, /, agent: str | None, model: str | None, port: int | None, dry_run: bool, undo: bool
) -> int:
    """Write an AGENT's settings so that it uses the running gateway, with the model's true context.

    Without AGENT the known ones are listed. What was in the files before is kept, other settings and comments stay,
    and --undo puts everything back. An agent that needs more context than there is gets refused.

    \b
    launchpad connect claude-code --dry-run
    launchpad connect claude-code
    launchpad connect claude-code --undo
    """
    from launchpad.connect import apply
    from launchpad.connect.agents import agent_of, require_context, tokens
    from launchpad.connect.settings import SETTINGS

    if agent is None:
        return _list(app)
    known = agent_of(agent)
    if undo:
        return _show(app, agent, known, apply.undo(agent, dry_run=dry_run), dry_run=dry_run)
    target = _target(port, model)
    require_context(known, target.model, target.context)
    if target.context < known.recommended:
        better = tokens(known.recommended, known.recommended_basis)
        app.output.note(
            f"{known.title} works better from {better} tokens on; there are {target.context:,}.", "yellow"
        )
    if dry_run:
        app.output.note(_needs(known))
    wanted = SETTINGS[agent](target)
    folder = known.folder()
    changes = apply.planned(folder, wanted) if dry_run else apply.connect(agent, folder, wanted)
    return _show(app, agent, known, changes, dry_run=dry_run, target=target)


def _needs(agent: Agent) -> str:
    """What the agent needs, and whose figures these are."""

    def told(count: int, basis: str) -> str:
        return f"{count:,} tokens" + (" (launchpad's estimate)" if basis == "estimate" else "")

    least = told(agent.least, agent.least_basis)
    better = told(agent.recommended, agent.recommended_basis)
    return (
        f"{agent.title} needs {least} and works better from {better} on. As of {agent.date}: {agent.source}."
    )


def _target(port: int | None, name: str | None) -> Target:
    from launchpad.connect.settings import Target
    from launchpad.serve.key import read
    from launchpad.serve.state import served, the_one

    gateway = the_one(port)
    model = served(gateway, name)
    return Target(
        base_url=gateway.base_url,
        url=gateway.url,
        key=read(Path(gateway.key_file)),
        key_file=gateway.key_file,
        model=model.name,
        context=model.context,
        vision=model.vision,
    )


def _list(app: App) -> int:
    from launchpad.connect.agents import agents, tokens
    from launchpad.connect.apply import connected

    if app.output.json_mode:
        from launchpad.cli.documents import AgentList, AgentRecord

        records = [
            AgentRecord(
                name=name, title=one.title, file=str(one.folder() / one.file), least_context=one.least,
                recommended_context=one.recommended, least_basis=one.least_basis,
                recommended_basis=one.recommended_basis, source=one.source, date=one.date, connected=connected(name),
            )
            for name, one in agents().items()
        ]  # fmt: skip
        app.output.data(AgentList(agents=tuple(records)))
        return 0
    rows = [
        [
            name,
            one.title,
            tokens(one.least, one.least_basis),
            tokens(one.recommended, one.recommended_basis),
            "yes" if connected(name) else "no",
            str(one.folder() / one.file),
        ]
        for name, one in agents().items()
    ]
    app.output.table(
        ["agent", "title", "needs", "better", "connected", "settings"], rows, right=(2, 3), spare=("title",)
    )
    app.output.note("~ is launchpad's own estimate; --json says what each figure rests on.")
    return 0


def _show(
    app: App,
    agent: str,
    known: Agent,
    changes: Sequence[Change],
    *,
    dry_run: bool,
    target: Target | None = None,
) -> int:
    hidden = target.key if target else ""
    diffs = [_diff(change, hidden) for change in changes]
    if app.output.json_mode:
        from launchpad.cli.documents import Connection, FileChange

        files = tuple(
            FileChange(path=str(change.path), diff=diff) for change, diff in zip(changes, diffs, strict=True)
        )
        app.output.data(
            Connection(
                agent=agent, model=target.model if target else None, context=target.context if target else None,
                files=files, written=not dry_run, undone=target is None, least_context=known.least,
                least_basis=known.least_basis,
            )
        )  # fmt: skip
        return 0
    for change, diff in zip(changes, diffs, strict=True):
        if dry_run:
            for line in diff.splitlines():
                app.output.line(line)
        else:
            app.output.line(f"{_word(change)} {change.path}")
    if target is not None and not dry_run:
        app.output.note(
            f"{agent} uses {target.model} with {target.context:,} tokens of context; next: {known.start}"
        )
        app.output.note(f"back again: launchpad connect {agent} --undo")
    return 0


def _word(change: Change) -> str:
    if change.after == change.before:
        return "unchanged"
    return "removed" if change.after is None else "wrote" if change.before is None else "changed"


def _diff(change: Change, hidden: str) -> str:
    """What changes, without the key."""

    def lines(content: bytes | None) -> list[str]:
        text = (content or b"").decode("utf-8", "replace")
        return (text.replace(hidden, "…") if hidden else text).splitlines()

    return "\n".join(
        difflib.unified_diff(
            lines(change.before), lines(change.after), str(change.path), str(change.path), lineterm=""
        )
    )
