"""launchpad from Python: detect, recommend, launch.

The functions do what the commands of the same name do, without a terminal: nothing is asked, nothing is printed, and
errors are raised (`launchpad.errors`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from launchpad.choice.choose import Choice
from launchpad.errors import RefusedError
from launchpad.events import Report, ignore
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan
    from launchpad.plugins.host import Host
    from launchpad.talk import Chat


@cache
def _host() -> tuple[Host, Config]:
    from launchpad.config import load_config
    from launchpad.plugins.host import Host

    config = load_config()
    return Host.load(config), config


def detect() -> Machine:
    """What is known about this machine."""
    from launchpad.survey import detect_machine

    return detect_machine(_host()[0])


def recommend(wish: Wish | None = None, *, on: str | Machine | None = None) -> Choice:
    """The choice for this machine, or for `on` (a `Machine`, or a text such as "RTX 4090"). Makes no connection."""
    from launchpad.decide import decide

    return decide(*_host(), wish or Wish(), on=_machine(on)).choice


def launch(
    model: str | None = None,
    *,
    wish: Wish | None = None,
    system: str | None = None,
    max_download: int | None = None,
    report: Report = ignore,
) -> Chat:
    """Pick (or take `model`), pull, start, and open a chat. Use it in a `with` block: it stops the engine at the end.

    `max_download` in bytes is the consent to a download; the default is the setting `run.max_unattended_download`.
    """
    from launchpad.talk import Chat

    chat = Chat(model, wish=wish, system=system, max_download=max_download, report=report)
    chat.start()
    return chat


def planned(wish: Wish, max_download: int | None, report: Report) -> Plan:
    """What will be started for `wish`; kept engines that nobody uses make room for it.

    Raises `RefusedError` for a download without consent, and `LaunchpadError`.
    """
    from launchpad.launcher import room
    from launchpad.launcher.sound import sound

    host, config = _host()
    plan = sound(room.planned(host, config, wish, report, starts=False), report)
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
    from launchpad.launcher.run import RealEffects, carry_out

    return carry_out(plan, RealEffects(*_host()), report)


def knows(model: str) -> bool:
    """True for auto, a path, a place that is written as one, and what a catalog lists."""
    from launchpad.catalog.find import known
    from launchpad.catalog.merge import models_of

    return known(model, lambda: models_of(_host()[0].catalogs()))


def _machine(on: str | Machine | None) -> Machine | None:
    if on is None or isinstance(on, Machine):
        return on
    from launchpad.hardware.simulate import simulate

    return simulate(on)
