"""`launchpad test`: run prompt files and report."""

from __future__ import annotations

from typing import Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    start_options,
    wish_options,
)
from launchpad.cli.script_options import script_options
from launchpad.cli.shared import Command


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER]...")
@wish_options
@engine_option
@script_options
@start_options
@json_option
@click.pass_obj
def test(
    app: App,
    /,
    paths: tuple[str, ...],
    wishes: dict[str, Any],
    script: dict[str, Any],
    offline: bool,
    yes: bool,
) -> int:
    """Run prompt files (*.prompt.yml), judge the answers by their checks, and report.

    A folder is searched. Exit code: 0 all good, 1 a check failed, 6 an answer failed, 5 the engine failed,
    4 a pull failed, 3 no model, 2 a bad file.

    \b
    launchpad test prompts/
    launchpad test prompts/ --output-format junit --transcript out/t.jsonl > junit.xml
    launchpad test prompts/ --backend replay:fixtures/t.jsonl
    """
    from launchpad.cli.script import run_scripts
    from launchpad.script.load import find_scripts, load_script

    scripts = [load_script(path) for path in find_scripts(paths)]
    return run_scripts(app, scripts, make_wish(app, wishes, offline=offline), script, yes=yes, show=None)
