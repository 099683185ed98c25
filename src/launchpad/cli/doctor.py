"""`launchpad doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option

if TYPE_CHECKING:
    from launchpad.doctor.model import Check, Diagnosis

_MARKS = {
    "ok": ("ok", "green"),
    "note": ("note", "cyan"),
    "warn": ("warn", "yellow"),
    "fail": ("FAIL", "red"),
}


@click.command()
@click.option("--offline", is_flag=True, help="Make no connection.")
@click.option(
    "--report", is_flag=True, help="Print a report to paste into a bug: no tokens, no names of yours."
)
@json_option
@click.pass_obj
def doctor(app: App, offline: bool, report: bool) -> int:
    """Check this machine and this installation, one line each with the evidence and what to do.

    The exit code is 1 when something FAILs. Nothing is changed.

    \b
    launchpad doctor
    launchpad doctor --report > report.md
    """
    from launchpad.doctor.examine import examine

    with app.output.status("looking at everything"):
        found = examine(app.host, app.config, offline=offline)
    if app.output.json_mode:
        app.output.data(_private(found) if report else found)
    elif report:
        for line in _report(_private(found)):
            app.output.line(line)
    else:
        for check in found.checks:
            _show(app, check)
    return 0 if found.healthy else 1


def _show(app: App, check: Check) -> None:
    mark, color = _MARKS[check.state]
    app.output.line(
        f"{app.output.style(mark.ljust(4), color)}  {_clean(check.name)}: {_clean(check.evidence)}"
    )
    if check.fix and check.state != "ok":
        app.output.line(f"      do: {_clean(check.fix)}")


def _clean(text: str) -> str:
    from launchpad.sanitize import clean

    return " ".join(clean(text).split())


def _private(found: Diagnosis) -> Diagnosis:
    """Without tokens, and without the names of the user, of the home folder and of the machine."""
    from msgspec.structs import replace

    from launchpad.doctor.redact import redacted

    checks = tuple(
        replace(
            check,
            name=redacted(check.name),
            evidence=redacted(check.evidence),
            fix=None if check.fix is None else redacted(check.fix),
        )
        for check in found.checks
    )
    return replace(found, checks=checks, system=redacted(found.system))


def _report(found: Diagnosis) -> list[str]:
    """Markdown: what runs, then the checks, the bad ones first."""
    order = {"fail": 0, "warn": 1, "note": 2, "ok": 3}
    lines = [
        f"launchpad {found.launchpad}, {found.python}, {found.system}",
        "",
        "| state | check | evidence | what to do |",
        "| --- | --- | --- | --- |",
    ]
    for check in sorted(found.checks, key=lambda check: order[check.state]):
        cells = (check.state, check.name, check.evidence, check.fix or "")
        lines.append("| " + " | ".join(_clean(cell).replace("|", "\\|") for cell in cells) + " |")
    return lines
