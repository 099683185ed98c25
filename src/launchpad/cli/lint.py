"""`launchpad lint`: check prompt files without running them."""

from __future__ import annotations

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER]...")
@click.option("--var", "given", multiple=True, metavar="NAME=VALUE", help="A variable that runs will set.")
@json_option
@click.pass_obj
def lint(app: App, paths: tuple[str, ...], given: tuple[str, ...]) -> int:
    """Check prompt files: every error and oddity with line and column, and no model started.

    \b
    launchpad lint
    launchpad lint prompts/triage.prompt.yml
    """
    from msgspec import structs

    from launchpad.cli.script_documents import LintProblem, LintReport
    from launchpad.script.given import parse_given
    from launchpad.script.lint import lint_files

    found = lint_files(paths, parse_given(given))
    if app.output.json_mode:
        problems = tuple(
            LintProblem(path=path, **structs.asdict(problem)) for path, problem in found.problems
        )
        app.output.data(LintReport(files=found.files, problems=problems))
    else:
        for path, problem in found.problems:
            hint = f" {problem.hint}" if problem.hint else ""
            app.output.line(
                f"{path}:{problem.line}:{problem.column}: {problem.severity}: {problem.message}.{hint}"
            )
        warnings = len(found.problems) - found.errors
        counts = ((found.files, "file"), (found.errors, "error"), (warnings, "warning"))
        app.output.note(", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts))
    return 2 if found.errors else 0
