"""What Python and scripts ask for, without anybody at a terminal: nothing is asked, a download needs its consent."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from launchpad.errors import RefusedError
from launchpad.events import Report

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan
    from launchpad.plugins.host import Host
    from launchpad.wish import Wish


@cache
def host() -> tuple[Host, Config]:
    """The plugins and the settings of this process, loaded once."""
    from launchpad.config import load_config
    from launchpad.plugins.host import Host

    config = load_config()
    return Host.load(config), config


def loaded(wish: Wish, report: Report) -> tuple[Plan, RunningServer] | None:
    """A kept engine that was started for this wish, and its plan. With a policy, the long way decides first."""
    from launchpad.config.policy_file import load_policy
    from launchpad.engines.kept import usable
    from launchpad.launcher.reuse import for_wish

    if next(usable(), None) is None or load_policy(host()[1]) is not None:
        return None
    return for_wish(wish, report)


def planned(wish: Wish, max_download: int | None, report: Report) -> Plan:
    """What will be started for `wish`; kept engines that nobody uses make room for it.

    Raises `RefusedError` for a download without consent, and `LaunchpadError`.
    """
    from launchpad.launcher import room
    from launchpad.launcher.sound import sound

    plugins, config = host()
    plan = sound(room.planned(plugins, config, wish, report, starts=False), report)
    limit = config.run.max_unattended_download if max_download is None else max_download
    if plan.pull is not None and (plan.pull.size is None or plan.pull.size > limit):
        raise RefusedError(
            f"{plan.start.model_name} is a download of {plan.pull.size or 'unknown'} bytes.",
            why=f"Without consent the limit is {limit} bytes.",
            hint="Pass max_download, or pull it first with `launchpad pull`.",
        )
    return plan


def started(plan: Plan, report: Report) -> tuple[Plan, RunningServer]:
    """Carry `plan` out; with the engine the plan that it was really started from. Raises `LaunchpadError`."""
    from launchpad.launcher.run import RealEffects, execute

    return execute(plan, RealEffects(*host()), report)


def shared(plan: Plan, report: Report) -> tuple[Plan, RunningServer]:
    """As `started`, but a kept engine that does what the plan would start one for is used; who stops it leaves it loaded."""
    from launchpad.launcher.reuse import for_plan, stored_plan

    if (found := for_plan(plan, report)) is not None:
        return stored_plan(found.record.token) or plan, found
    return started(plan, report)


def knows(model: str) -> bool:
    """True for auto, a path, a place that is written as one, and what a catalog lists."""
    from launchpad.catalog.find import known
    from launchpad.catalog.merge import models_of

    return known(model, lambda: models_of(host()[0].catalogs()))
