"""A download is announced with size, time and license, and asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.cli.question import ask_consent
from launchpad.cli.render import duration, gb, license_text
from launchpad.errors import RefusedError

if TYPE_CHECKING:
    from launchpad.cli.app import App
    from launchpad.plan import Plan, PullStep

COMMON_LINE = 100e6  # bit/s


def consent(app: App, plan: Plan, *, yes: bool, interactive: bool) -> None:
    """Ask on a terminal; elsewhere go ahead up to `run.max_unattended_download`, above that only with `--yes`.

    Raises `RefusedError` when nobody can be asked, `click.Abort` when the answer is no.
    """
    step = plan.pull
    if step is None:
        return
    announcement = _announcement(plan, step)
    if yes:
        app.output.note(announcement, "bold")
    elif interactive:
        app.output.note(announcement, "bold")
        question = f"{announcement} Pull it?" if app.output.quiet else "Pull it?"
        ask_consent(question, default=True)
    else:
        limit = app.config.run.max_unattended_download
        if step.size is None or step.size > limit:
            raise RefusedError(
                f"{announcement} Nobody is here to agree.",
                why=f"Without a terminal, downloads above {gb(limit)} need consent (run.max_unattended_download).",
                hint="Run it again with --yes, or with --max-download to get a smaller model.",
            )
        app.output.note(announcement, "bold")


def _guess(size: int | None) -> str:
    """Before the first pull nobody knows the line; a common one gives the order."""
    return (
        ""
        if size is None
        else f", about {duration(8 * size / COMMON_LINE)} at {COMMON_LINE / 1e6:.0f} Mbit/s"
    )


def _announcement(plan: Plan, step: PullStep) -> str:
    start = plan.start
    time = plan.start.fit.speed.download
    took = f", about {duration(time)}" if time is not None else _guess(step.size)
    name = f"{start.model_name} {step.build.quantization}"
    return f"{name}: a download of {gb(step.size)}{took}, {license_text(step.license)}."
