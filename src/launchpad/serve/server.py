"""Run the gateway until a signal: listen, load the first model, answer, drain, stop the engines."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any

from msgspec import Struct

from launchpad.errors import SignalExit
from launchpad.events import Report, ignore
from launchpad.serve.app import Gateway, build
from launchpad.serve.forward import Limits
from launchpad.serve.loader import Loader
from launchpad.serve.metrics import Metrics
from launchpad.serve.models import Offer
from launchpad.serve.pool import Pool
from launchpad.serve.problem import Problem
from launchpad.serve.protocol import configured, interruptible
from launchpad.serve.ui import Ui


class Options(Struct, frozen=True, kw_only=True):
    """How the gateway is run. `hosts` and `origins` are allowed beside those of loopback."""

    key: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: Limits = Limits()
    idle_seconds: float = 900.0
    lazy: bool = False
    web_ui: bool = False


def serve(
    offers: Sequence[Offer],
    loader: Loader,
    options: Options,
    listener: socket.socket,
    *,
    on_ready: Callable[[Gateway], None],
    tell: Callable[[str], None],
    report: Report = ignore,
) -> None:
    """Answer on `listener`, a bound socket, until SIGINT, SIGTERM or SIGHUP; a second SIGINT does not wait for answers.

    `report` hears of each answer that ended, in a thread of its own. Raises what the first model could not be loaded for; a signal is raised again once all engines are gone.
    """
    metrics = Metrics()
    pool = Pool(offers, loader, metrics, idle_seconds=options.idle_seconds, tell=tell)
    gateway = Gateway(offers, pool, metrics, options.limits, report)
    if options.web_ui:
        gateway.ui = Ui(offers[0], pool, options.key)
    life = _Life(gateway, options.lazy, on_ready)
    app = build(gateway, key=options.key, hosts=options.hosts, origins=options.origins, lifespan=life.span)
    server = life.server = interruptible(configured(app))
    hung_up = _on_hangup(server)
    try:
        server.run(sockets=[listener])
    finally:
        from launchpad.engines.process import stop_all

        stop_all()
    if life.failure is not None:
        raise life.failure
    if hung_up():
        raise SignalExit(signal.SIGHUP)


def _on_hangup(server: Any) -> Callable[[], bool]:
    """A closed terminal ends the gateway as SIGTERM does; uvicorn itself does not listen for it."""
    number = getattr(signal, "SIGHUP", None)
    hung_up = False

    def note(_: int, frame: FrameType | None) -> None:
        nonlocal hung_up
        hung_up = server.should_exit = True

    if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup means what it says
        signal.signal(number, note)
    return lambda: hung_up


class _Life:
    """From the first to the last moment of the event loop."""

    def __init__(self, gateway: Gateway, lazy: bool, on_ready: Callable[[Gateway], None]) -> None:
        self._gateway = gateway
        self._lazy = lazy
        self._on_ready = on_ready
        self.failure: BaseException | None = None
        self.server: Any = None

    @asynccontextmanager
    async def span(self, app: object) -> AsyncIterator[None]:
        self._gateway.pool.start()
        first = asyncio.create_task(self._first())
        try:
            yield
        finally:
            await self._gateway.pool.close()
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first

    async def _first(self) -> None:
        """Load the first model, so that a mistake shows at once and not at the first request."""
        try:
            if not self._lazy:
                await self._gateway.pool.warm(self._gateway.offers[0])
            while not self.server.started:  # "ready" means that a connection is taken
                await asyncio.sleep(0.01)
            self._gateway.ready = True
            self._on_ready(self._gateway)
        except Problem as problem:
            if not self.server.should_exit:
                self.failure = problem.__cause__ or problem
                self.server.should_exit = True
        except Exception as error:
            self.failure = error
            self.server.should_exit = True
