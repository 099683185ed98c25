"""Options that several commands share: given to the command as one argument, and in its help under a heading of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

R = TypeVar("R")

Options = dict[str, tuple[tuple[str, ...], dict[str, Any]]]  # name -> (flags, settings of `click.option`)


class SharedOption(click.Option):
    """An option that several commands have; their help shows it under `heading`."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class Command(click.Command):
    """A command whose own options come first, then those that it shares, heading by heading."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, in sections."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                heading = param.heading if isinstance(param, SharedOption) else "Options"
                sections.setdefault(heading, []).append(record)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class Group(click.Group):
    """A group that tells the whole first sentence of each subcommand, on as many lines as that takes."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, without cutting."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, below.get_short_help_str(limit=1000)) for name, below in self.commands.items()]
            )


def gathered(argument: str, sections: dict[str, Options]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Options under their headings; the command receives all their values as the dictionary `argument`."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> R:
            values = {name: kwargs.pop(name) for options in sections.values() for name in options}
            return function(*args, **{argument: values}, **kwargs)

        decorated: Callable[..., R] = wrapper
        for heading, options in reversed(sections.items()):
            for name, (flags, settings) in reversed(options.items()):
                decorated = click.option(*flags, name, cls=SharedOption, heading=heading, **settings)(
                    decorated
                )
        return decorated

    return decorate
