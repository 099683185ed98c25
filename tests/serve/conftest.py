"""A gateway on a real socket, in front of simulated engines."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chat.simulated_engine import SimulatedEngine, simulated_engine
from factories import candidate
from launchpad.choice.choose import choose
from launchpad.engines.server import RunningServer, Server
from launchpad.events import Event
from launchpad.hardware.simulate import simulate
from launchpad.plan import Plan, make_plan
from launchpad.serve.app import Gateway, build
from launchpad.serve.forward import Limits
from launchpad.serve.metrics import Metrics
from launchpad.serve.models import Offer, offers
from launchpad.serve.pool import Pool
from launchpad.serve.protocol import configured, interruptible
from launchpad.serve.ui import Ui
from launchpad.testing.processes import eventually
from launchpad.wish import Wish

KEY = "test-key-0123456789"
ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def plan_of(name: str, context: int = 4096) -> Plan:
    """A plan to run the model of that name."""
    choice = choose([candidate(name)], Wish())
    return make_plan(simulate("cpu 32GB"), Wish(), choice, lambda fit: {})


def offers_of(*names: str, replicas: int = 1) -> tuple[Offer, ...]:
    """Offers of models that have no files."""
    return offers([(name, plan_of(name)) for name in names], 1_700_000_000, replicas)


class Simulated:
    """A handle on an engine that runs elsewhere."""

    def __init__(self, server: Server, living: Callable[[], bool] = lambda: True) -> None:
        self.server = server
        self._living = living
        self.stopped = False

    def alive(self) -> bool:
        return self._living() and not self.stopped

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        return ()

    def stop(self) -> None:
        self.stopped = True


class OneEngine:
    """A loader whose every model is the same simulated engine."""

    def __init__(self, engine: SimulatedEngine) -> None:
        self.engine = engine
        self.loads = 0

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        self.loads += 1
        return Simulated(self.engine.server())


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["error"]
        return found


class Client:
    """Sends requests byte by byte as told; adds nothing but what HTTP needs."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(
        self,
        path: str,
        body: object = None,
        *,
        method: str | None = None,
        key: str | None = KEY,
        headers: list[tuple[str, str]] = [],  # noqa: B006
        host: str | None = "",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=150)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.putrequest(method or ("GET" if body is None else "POST"), path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        if key:
            connection.putheader("Authorization", f"Bearer {key}")
        for name, value in headers:
            connection.putheader(name, value)
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        response = connection.getresponse()
        try:
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


@dataclass
class Running:
    """A gateway that answers."""

    client: Client
    gateway: Gateway
    loader: Any
    notes: list[str]
    heard: list[Event]
    stop: Callable[[], None]


Start = Callable[..., Running]


@contextlib.contextmanager
def gateway(
    loader: Any,
    *names: str,
    idle: float = 900.0,
    origins: tuple[str, ...] = (),
    web_ui: bool = False,
    replicas: int = 1,
    drain: int = 1,
    **limits: Any,
) -> Iterator[Running]:
    """A gateway in a thread, until the block ends."""
    notes: list[str] = []
    heard: list[Event] = []
    metrics = Metrics()
    offered = offers_of(*(names or ("m",)), replicas=replicas)
    pool = Pool(offered, loader, metrics, idle_seconds=idle, tell=notes.append)
    served = Gateway(offered, pool, metrics, Limits(**limits), heard.append)
    served.ready = True
    if web_ui:
        served.ui = Ui(offered[0], pool, KEY)
    app = build(served, key=KEY, origins=origins, lifespan=lambda app: _Life(pool))
    server = interruptible(configured(app, port=0, timeout_graceful_shutdown=drain))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(
            Client(port), served, loader, notes, heard, lambda: setattr(server, "should_exit", True)
        )
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def engine() -> Iterator[SimulatedEngine]:
    """An engine that answers what it is told to."""
    with simulated_engine() as one:
        yield one


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a gateway; it is stopped after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(gateway(*args, **kwargs))


class _Life:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> None:
        self._pool.start()

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()


@pytest.fixture
def serving(engine: SimulatedEngine, start: Start) -> Running:
    """A gateway in front of the simulated engine."""
    return start(OneEngine(engine))


def run_async(coroutine: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(coroutine)
