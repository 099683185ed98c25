"""Questions that a person on a terminal answers with yes or no."""

from __future__ import annotations

import sys

import click

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False}


def ask_consent(question: str, *, default: bool = False) -> None:
    """Ask on standard error until the answer is yes or no; `default` is what Enter alone means.

    As `click.confirm`, but for a Ctrl-C that comes right behind the question (see `await_typing`).
    Raises `click.Abort` when the answer is no, at the end of the input and at Ctrl-C.
    """
    from launchpad.chat.modes import await_typing

    asked = f"{question} [{'Y/n' if default else 'y/N'}]: "
    agreed: bool | None = None
    while agreed is None:
        try:
            await_typing(lambda: click.echo(asked, nl=False, err=True))
            line = sys.stdin.readline()
            if not line:
                raise EOFError
        except (KeyboardInterrupt, EOFError):
            raise click.Abort from None
        word = line.strip().lower()
        agreed = _ANSWERS.get(word) if word else default
        if agreed is None:
            click.echo("Answer y or n.", err=True)
    if not agreed:
        raise click.Abort
