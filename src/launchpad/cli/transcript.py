"""`launchpad transcript`: what runs of prompt files wrote down."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from launchpad.cli.app import App
from launchpad.cli.shared import Group

FORMATS = ("openai-chat", "markdown", "prompt-yml", "junit", "csv")


@click.group(cls=Group)
def transcript() -> None:
    """Work with the transcripts of `run FILE` and `test` (--transcript FILE).

    \b
    launchpad test prompts/ --transcript t.jsonl
    launchpad transcript export t.jsonl --as openai-chat
    """


@transcript.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--as", "style", type=click.Choice(FORMATS), default="markdown", help="The format. [default: markdown]"
)
@click.pass_obj
def export(app: App, path: Path, style: str) -> None:
    """Write a transcript to stdout in another format.

    openai-chat lines are valid lines for fine-tuning; prompt-yml is a new prompt file.

    \b
    launchpad transcript export t.jsonl --as openai-chat > tuning.jsonl
    """
    from launchpad.script.export import export as exported

    sys.stdout.write(exported(path, style))
