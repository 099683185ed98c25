"""launchpad from Python: detect, recommend, launch.

The functions do what the commands of the same name do, without a terminal: nothing is asked, nothing is printed, and
errors are raised (`launchpad.errors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.choose import Choice
from launchpad.errors import RefusedError
from launchpad.events import Report, ignore
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

if TYPE_CHECKING:
    from types import TracebackType

    from launchpad.chat.delta import Delta
    from launchpad.chat.options import ChatOptions
    from launchpad.config import Config
    from launchpad.engines.server import RunningServer, Server
    from launchpad.plan import Plan
    from launchpad.plugins.host import Host


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
    from launchpad.decide import make_plan_for
    from launchpad.run import RealEffects, execute
    from launchpad.sound import sound

    host, config = _host()
    plan = sound(make_plan_for(host, config, replace(wish or Wish(), model=model), ask_sources=True), report)
    limit = config.run.max_unattended_download if max_download is None else max_download
    if plan.pull is not None and (plan.pull.size is None or plan.pull.size > limit):
        raise RefusedError(
            f"{plan.start.model_name} is a download of {plan.pull.size or 'unknown'} bytes.",
            why=f"Without consent the limit is {limit} bytes.",
            hint="Pass max_download, or pull it first with `launchpad pull`.",
        )
    return Chat(plan, execute(plan, RealEffects(host, config), report), system=system)


class Chat:
    """A conversation with an engine that this process started."""

    def __init__(self, plan: Plan, server: RunningServer, *, system: str | None = None) -> None:
        from launchpad.chat.options import chat_options
        from launchpad.chat.session import Session

        self.plan = plan
        self._server = server
        defaults = plan.start.defaults
        options = chat_options(defaults, think=plan.start.thinking)
        if system is None and defaults is not None:
            system = defaults.system
        self._session = Session(server.server, system=system or None, options=options, keep=False)

    @property
    def server(self) -> Server:
        """Where the engine listens and what it really did."""
        return self._server.server

    def stream(self, prompt: str, *, options: ChatOptions | None = None) -> Iterator[Delta]:
        """The pieces of the answer as they come: text, reasoning, and at last how it ended."""
        if options is not None:
            self._session.options = options
        return self._session.ask(prompt)

    def ask(self, prompt: str, *, options: ChatOptions | None = None) -> str:
        """The whole answer, without the reasoning."""
        from launchpad.chat.delta import Text

        return "".join(
            delta.text for delta in self.stream(prompt, options=options) if isinstance(delta, Text)
        )

    def stop(self) -> None:
        """Stop the engine and all its processes; idempotent."""
        self._server.stop()

    def __enter__(self) -> Chat:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _machine(on: str | Machine | None) -> Machine | None:
    if on is None or isinstance(on, Machine):
        return on
    from launchpad.hardware.simulate import simulate

    return simulate(on)
