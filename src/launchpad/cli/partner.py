"""Who answers a talk: a real engine with its plan, or one of the stand-ins `echo` and `replay:FILE`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from launchpad.chat.delta import Delta
from launchpad.chat.options import ChatOptions, Message
from launchpad.engines.server import EngineReport, Server
from launchpad.fit.result import Settings

if TYPE_CHECKING:
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan
    from launchpad.script.answerers import Answerer


class Partner(Struct):
    """Who answers. Without a plan it is a stand-in, and no engine runs."""

    server: Server
    answerer: Answerer
    plan: Plan | None = None
    running: RunningServer | None = None

    def source(self, server: Server, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        """See `session.Source`."""
        if self.plan is None:
            return self.answerer.stream(messages, options)
        from launchpad.chat.dialect import stream_from

        return stream_from(server, messages, options)


def real(plan: Plan, running: RunningServer) -> Partner:
    """An engine that runs."""
    from launchpad.script.engine import EngineAnswerer

    answerer = EngineAnswerer(plan, lambda plan, fresh: (plan, running), deterministic=False)
    return Partner(server=running.server, answerer=answerer, plan=plan, running=running)


def stand_in(backend: str | None) -> Partner | None:
    """The stand-in that `--backend` names; None when it names an engine."""
    from launchpad.script.answerers import Echo, Replay

    answerer: Answerer
    if backend == "echo":
        answerer = Echo()
    elif backend is not None and backend.startswith("replay:"):
        answerer = Replay(backend.removeprefix("replay:"))
    else:
        return None
    kind = backend.partition(":")[0]
    server = Server(
        id=kind,
        backend=kind,
        endpoint="",
        api_key="",
        pid=0,
        model=answerer.model,
        settings=Settings(context=0),
        report=EngineReport(engine=kind),
    )
    return Partner(server=server, answerer=answerer)
