"""The root command: a table of names, so that `--help` imports no command and no command imports another."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from launchpad import __version__
from launchpad.cli.app import App
from launchpad.cli.table import COMMANDS, HEADINGS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, first from the table, then from plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The table's order, which is the order of use; then the plugins' commands."""
        return [*COMMANDS, *sorted(_app(ctx).plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        return _app(ctx).load_plugin_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their help from the table, without importing them."""
        width = max(map(len, COMMANDS))
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (_, text) in COMMANDS.items():
            if name in HEADINGS:
                rows = sections[HEADINGS[name]] = []
            rows.append((name.ljust(width), text))
        if plugins := _app(ctx).plugin_commands():
            sections["From plugins"] = [
                (name.ljust(width), spec.help) for name, spec in sorted(plugins.items())
            ]
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        """The commands from the table; click would import all of them for their help."""
        from click.shell_completion import CompletionItem

        rows = {name: text for name, (_, text) in COMMANDS.items()}
        rows |= {name: spec.help for name, spec in _app(ctx).plugin_commands().items()}
        found = [
            CompletionItem(name, help=text) for name, text in rows.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a "did you mean" for a mistyped command, and what only help and the shell ask for."""
        try:
            name, command, rest = super().resolve_command(ctx, args)
            if command is not None and ctx.resilient_parsing:
                from launchpad.cli.names import complete_names

                complete_names(command, name or "")
            elif command is not None and not {"-h", "--help"}.isdisjoint(rest):
                from launchpad.cli.outcomes import document

                document(command, name or "")
            return name, command, rest
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=3)
            if not close or "Did you mean" in error.message:
                raise
            # The more used one first where both are as close: "rum" is rather run than rm.
            names = " or ".join(f"'{name}'" for name in sorted(close, key=self.list_commands(ctx).index))
            raise click.UsageError(f"{error.message} Did you mean {names}?", ctx) from error


def _app(ctx: click.Context) -> App:
    app = ctx.find_object(App)
    return app if app is not None else App()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="launchpad", message="%(prog)s %(version)s")
@click.option("--no-plugins", is_flag=True, help="Load no third-party plugins.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "json", "none"]),
    default=None,
    help="How progress is shown on stderr.",
)
@click.pass_context
def cli(ctx: click.Context, no_plugins: bool, quiet: bool, debug: bool, progress: str | None) -> int:
    """One command from a bare machine to a conversation with the best open-weight model it can run.

    Without a command, on a terminal: what this machine can run, and whether to start it.

    \b
    launchpad run                     pick, pull, start, chat
    launchpad run "Why is it blue?"   one answer, then leave
    launchpad recommend --on "RTX 4090"
    """
    app = _app(ctx)
    app.third_party = not no_plugins
    app.debug = debug
    app.output.quiet = quiet
    if progress is not None:
        app.output.progress_style = progress
    if ctx.invoked_subcommand is not None:
        return 0
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        click.echo(ctx.get_help())
        return 0
    from launchpad.cli.run import run

    app.introduces = True
    code: int = ctx.invoke(run)
    return code
