"""Engines on demand, with real child processes of the simulated engine and a simulated memory."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.engines.process import EngineProcess
from launchpad.engines.running import EngineServer
from launchpad.engines.server import EngineReport, RunningServer, Server
from launchpad.errors import LaunchError, NoModelFits
from launchpad.fit.result import Settings
from launchpad.serve.metrics import Metrics
from launchpad.serve.models import Offer
from launchpad.serve.pool import MAX_DEATHS, Pool
from launchpad.serve.problem import Problem
from launchpad.testing.processes import KEY, engine_processes, fake_command
from serve.conftest import offers_of


class Loader:
    """Real processes; room for so many of them."""

    def __init__(self, room: int = 2, *options: str) -> None:
        self.room = room
        self.options = options
        self.running: dict[str, RunningServer] = {}
        self.loads: list[str] = []
        self.fail: list[Exception] = []
        self.may_start = threading.Event()
        self.may_start.set()
        self._at_once = threading.Semaphore(1)

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        assert self._at_once.acquire(blocking=False), "two loads at once"
        try:
            return self._load(offer, alone)
        finally:
            self._at_once.release()

    def _load(self, offer: Offer, alone: bool) -> RunningServer:
        living = [name for name, server in self.running.items() if server.alive()]
        assert alone == (not living)
        if len(living) >= self.room:
            raise NoModelFits("There is no room.")
        self.loads.append(offer.name)
        if self.fail:
            raise self.fail.pop(0)
        self.may_start.wait()
        process = EngineProcess.start(fake_command(*self.options))
        port = process.await_ready(process.ready_message)["port"]
        facts = Server(
            id=process.token, backend="simulated", endpoint=f"http://127.0.0.1:{port}/v1", api_key=KEY,
            pid=process.pid or 0, model=offer.name, settings=Settings(context=4096), report=EngineReport(engine="x"),
        )  # fmt: skip
        self.running[offer.name] = EngineServer(process, facts)
        return self.running[offer.name]


@pytest.fixture(autouse=True)
def no_orphans(private_home: Path) -> Iterator[None]:
    yield
    assert engine_processes(private_home) == []


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; the test's own time limit is the limit."""
    while not condition():
        await asyncio.sleep(0.01)


class World:
    """A pool of models a, b and c."""

    def __init__(self, loader: Loader, idle: float = 900.0) -> None:
        self.loader = loader
        self.notes: list[str] = []
        self.offers = {offer.name: offer for offer in offers_of("a", "b", "c")}
        self.metrics = Metrics()
        self.pool = Pool(
            list(self.offers.values()), loader, self.metrics, idle_seconds=idle, tell=self.notes.append
        )

    async def ask(self, name: str, hold: asyncio.Event | None = None) -> str:
        """Use the model, as long as it is held."""
        async with self.pool.use(self.offers[name]) as server:
            if hold is not None:
                await hold.wait()
            return server.model

    def states(self) -> dict[str, str]:
        return {name: seat.state for name, seat in self.pool.seats.items()}

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        async def whole() -> None:
            self.pool.start()
            try:
                await story
            finally:
                await self.pool.close()

        asyncio.run(whole())


def test_requests_that_come_during_a_load_wait_for_the_one_load() -> None:
    world = World(Loader(2, "--load-seconds", "0.3"))

    async def story() -> None:
        assert await asyncio.gather(*(world.ask("a") for _ in range(20))) == ["a"] * 20
        assert world.loader.loads == ["a"]

    world.run(story())


def test_the_least_recently_used_makes_room() -> None:
    world = World(Loader(2))

    async def story() -> None:
        for name in ("a", "b", "a", "c"):
            await world.ask(name)
        assert world.states() == {"a": "ready", "b": "cold", "c": "ready"}
        await world.ask("b")
        assert world.states() == {"a": "cold", "b": "ready", "c": "ready"}
        assert world.loader.loads == ["a", "b", "c", "b"]

    world.run(story())
    assert 'launchpad_unloads_total{model="b",reason="memory"} 1' in world.metrics.text({})


def test_a_model_in_use_is_not_unloaded_and_nobody_starves() -> None:
    world = World(Loader(1))

    async def story() -> None:
        hold = asyncio.Event()
        first = asyncio.create_task(world.ask("a", hold))
        seat = world.pool.seats["a"]
        await until(lambda: seat.users == 1)
        other = asyncio.create_task(world.ask("b"))
        await until(lambda: seat.draining)
        late = asyncio.create_task(world.ask("a"))  # must not keep b waiting for ever
        await until(lambda: seat.waiting == 1)
        assert world.loader.loads == ["a"]
        hold.set()
        assert await asyncio.gather(first, other, late) == ["a", "b", "a"]
        assert world.loader.loads == ["a", "b", "a"]

    world.run(story())


def test_idle_models_are_unloaded_after_the_stated_time() -> None:
    world = World(Loader(2), idle=0.2)

    async def story() -> None:
        await world.ask("a")
        hold = asyncio.Event()
        busy = asyncio.create_task(world.ask("b", hold))
        await until(lambda: world.states() == {"a": "cold", "b": "ready", "c": "cold"})
        await asyncio.sleep(0.5)
        assert world.states()["b"] == "ready"
        hold.set()
        await busy
        await until(lambda: world.states()["b"] == "cold")

    world.run(story())
    assert "a was unloaded (idle)" in world.notes


def test_a_client_that_leaves_during_a_load_does_not_end_it() -> None:
    world = World(Loader(2, "--load-seconds", "0.3"))

    async def story() -> None:
        impatient = asyncio.create_task(world.ask("a"))
        patient = asyncio.create_task(world.ask("a"))
        await until(lambda: world.states()["a"] == "loading")
        impatient.cancel()
        assert await patient == "a"
        assert world.loader.loads == ["a"]

    world.run(story())


def test_a_crash_at_load_makes_room_once_and_then_says_why() -> None:
    loader = Loader(3)
    world = World(loader)

    async def story() -> None:
        await world.ask("a")
        loader.fail = [LaunchError("out of memory at /home/me/x.gguf")]
        await world.ask("b")
        assert world.states() == {"a": "cold", "b": "ready", "c": "cold"}
        loader.fail = [LaunchError("bad file"), LaunchError("bad file")]
        with pytest.raises(Problem) as caught:
            await world.ask("c")
        assert (caught.value.status, caught.value.code) == (503, "engine_failed")
        assert await world.ask("c") == "c"

    world.run(story())
    assert any("bad file" in note for note in world.notes)


def test_a_model_that_never_fits_is_refused_without_paths() -> None:
    world = World(Loader(0))

    async def story() -> None:
        with pytest.raises(Problem) as caught:
            await world.ask("a")
        assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "no_memory", 30)

    world.run(story())


def test_an_engine_that_dies_is_started_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "launchpad.engines.process.oom_kills", lambda: 0
    )  # another test may run out of memory
    world = World(Loader(2))

    async def story() -> None:
        for _ in range(MAX_DEATHS + 1):
            await world.ask("a")
            engine = world.loader.running["a"]
            os.kill(engine.server.pid, signal.SIGKILL)
            while engine.alive():
                await asyncio.sleep(0.01)
        with pytest.raises(Problem) as caught:
            await world.ask("a")
        assert caught.value.code == "engine_died"
        assert await world.ask("b") == "b"

    world.run(story())
    assert world.loader.loads == ["a"] * (MAX_DEATHS + 1) + ["b"]
    told = "the engine of a died: signal SIGKILL (killed from outside)"
    assert world.notes.count(told) == MAX_DEATHS + 1, world.notes


def test_closing_ends_a_load_that_is_under_way(private_home: Path) -> None:
    world = World(Loader(2, "--load-seconds", "60"))

    async def story() -> None:
        waiting = asyncio.create_task(world.ask("a"))
        await until(lambda: engine_processes(private_home) != [])
        await world.pool.close()
        with pytest.raises(Problem):
            await waiting

    world.run(story())


def test_closing_ends_a_load_that_has_no_engine_yet() -> None:
    world = World(Loader(2, "--load-seconds", "600"))
    world.loader.may_start.clear()

    async def story() -> None:
        waiting = asyncio.create_task(world.ask("a"))
        await until(lambda: world.loader.loads == ["a"])
        closing = asyncio.create_task(world.pool.close())
        await asyncio.sleep(0.3)
        assert not closing.done()
        world.loader.may_start.set()
        await closing
        with pytest.raises(Problem):
            await waiting

    world.run(story())


def test_an_engine_that_kept_dying_is_not_started_by_the_next_request() -> None:
    world = World(Loader(2))

    async def story() -> None:
        for _ in range(MAX_DEATHS + 1):
            await world.ask("a")
            engine = world.loader.running["a"]
            os.kill(engine.server.pid, signal.SIGKILL)
            await until(lambda engine=engine: not engine.alive())  # type: ignore[misc]
        for _ in range(3):
            with pytest.raises(Problem) as caught:
                await world.ask("a")
            assert caught.value.code == "engine_died"

    world.run(story())
    assert world.loader.loads == ["a"] * (MAX_DEATHS + 1)
