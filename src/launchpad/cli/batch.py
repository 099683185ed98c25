"""`launchpad batch`: answer OpenAI's batch files."""

from __future__ import annotations

from pathlib import Path
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
from launchpad.cli.shared import Command
from launchpad.errors import UsageError


@click.command(cls=Command)
@click.argument("requests", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Where the answers go.",
)
@click.option("--resume", is_flag=True, help="Keep the answers that are there; ask only for the rest.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, help="Requests at a time.")
@wish_options
@engine_option
@start_options
@json_option
@click.pass_obj
def batch(
    app: App,
    /,
    requests: Path,
    output: Path,
    resume: bool,
    jobs: int,
    wishes: dict[str, Any],
    offline: bool,
    yes: bool,
) -> int:
    """Answer the requests of a JSONL file in OpenAI's batch format, one line out for each line in.

    A request that fails gets a line with its error; then the exit code is 6.

    \b
    launchpad batch requests.jsonl -o answers.jsonl --jobs 4
    launchpad batch requests.jsonl -o answers.jsonl --resume
    """
    from launchpad.cli.script import openers
    from launchpad.cli.script_documents import BatchReport
    from launchpad.script.batch import run_batch
    from launchpad.script.referee import RealReferee

    if str(output) == "-":
        raise UsageError(
            "The answers of a batch go to a file.",
            why="--resume reads there what is done already.",
            hint="Name one: -o answers.jsonl.",
        )
    opener = openers(app, make_wish(app, wishes, offline=offline), yes=yes, jobs=jobs)
    referee = RealReferee(lambda model, messages, schema: "")
    try:
        counts = run_batch(requests, output, opener, referee, jobs=jobs, resume=resume)
    finally:
        referee.close()
    if app.output.json_mode:
        app.output.data(
            BatchReport(
                path=str(output), answered=counts.answered, failed=counts.failed, skipped=counts.skipped
            )
        )
    else:
        kept = f", {counts.skipped} were there" if counts.skipped else ""
        app.output.note(f"{counts.answered} answered, {counts.failed} failed{kept}: {output}")
    return counts.exit_code
