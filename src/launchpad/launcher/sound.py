"""Before an engine is given files that lie here already: are they what they should be?

Files that carry the stamp of an earlier check cost nothing; others are hashed once. What is wrong is not used: the plan
gets a pull, which repairs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.errors import VerifyError
from launchpad.events import Notice, Report
from launchpad.plan import Plan, pull_step
from launchpad.pull.checking import wrong_file

if TYPE_CHECKING:
    from launchpad.catalog.model import LocalModel


def sound(plan: Plan, report: Report) -> Plan:
    """The plan when its files are right, else the plan with a pull. Raises `VerifyError` where nothing may be pulled."""
    pick = plan.choice.pick
    local = pick.availability.local if pick else None
    if pick is None or plan.pull is not None or local is None:
        return plan
    if local.owner == "user" or local.format in (
        "ollama",
        "served",
    ):  # theirs: nobody states what it should be
        return plan
    wrong = wrong_file(local, pick.build, report)
    if wrong is None:
        return plan
    if plan.wish.offline:
        raise VerifyError(
            f"{pick.model.name} cannot be started: one of its files is not right.",
            why=f"{wrong.path}: {wrong.why}.",
            hint=f"`launchpad pull {pick.model.id}` fetches it anew.",
        )
    report(Notice(message=f"{wrong.path} is not used: {wrong.why}. It is fetched anew{_whose(local)}."))
    start = replace(plan.start, model_path=None, projector_path=None)
    return replace(plan, pull=pull_step(pick, plan.wish), start=start)


def _whose(local: LocalModel) -> str:
    ours = local.owner in ("launchpad", "huggingface")
    return "" if ours else f"; {local.owner}'s file stays as it is"
