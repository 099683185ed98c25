"""The lines of a plan that the user should see before it is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.cli.output import Output
    from launchpad.plan import Plan


def tell(out: Output, plan: Plan) -> None:
    """Show the plan's notices on stderr."""
    for notice in plan.notices:
        out.note(notice, "yellow")
