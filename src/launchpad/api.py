"""launchpad from Python: detect, recommend, launch.

The functions do what the commands of the same name do, without a terminal: nothing is asked, nothing is printed, and
errors are raised (`launchpad.errors`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.choice.choose import Choice
from launchpad.events import Report, ignore
from launchpad.hardware.machine import Machine
from launchpad.launcher.unattended import host
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.talk import Chat


def detect() -> Machine:
    """What is known about this machine."""
    from launchpad.survey import detect_machine

    return detect_machine(host()[0])


def recommend(wish: Wish | None = None, *, on: str | Machine | None = None) -> Choice:
    """The choice for this machine, or for `on` (a `Machine`, or a text such as "RTX 4090"). Makes no connection."""
    from launchpad.decide import decide

    return decide(*host(), wish or Wish(), on=_machine(on)).choice


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


def _machine(on: str | Machine | None) -> Machine | None:
    if on is None or isinstance(on, Machine):
        return on
    from launchpad.hardware.simulate import simulate

    return simulate(on)
