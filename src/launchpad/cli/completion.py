"""`launchpad completion`: the script that makes a shell complete commands, options and names."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish", "powershell")
VARIABLE = "_LAUNCHPAD_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script for SHELL: commands, options, models, engines, plugins and settings complete by the Tab key.

    \b
    launchpad completion bash > ~/.local/share/bash-completion/completions/launchpad
    launchpad completion zsh > ~/.zfunc/_launchpad      (with ~/.zfunc in fpath, before compinit)
    launchpad completion fish > ~/.config/fish/completions/launchpad.fish
    launchpad completion powershell | Out-String | Invoke-Expression      (in $PROFILE)
    """
    from click.shell_completion import get_completion_class

    from launchpad.cli.root import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "launchpad", VARIABLE).source())
