"""The engines of a gateway: started when a model is asked for, one load at a time, the least recently used unloaded
when memory is short, each unloaded when nobody has asked for it for a while.

A model with replicas has several engines: a request goes to the least busy one, one that died is started again, and one that is
cold is started when all others are busy.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from launchpad.engines.renewal import obituary
from launchpad.errors import LaunchError, LaunchpadError, NoModelFits
from launchpad.serve.loader import Loader
from launchpad.serve.metrics import Metrics
from launchpad.serve.models import Offer
from launchpad.serve.problem import Problem, without_paths

if TYPE_CHECKING:
    from launchpad.engines.server import RunningServer, Server
    from launchpad.fit.result import Settings

T = TypeVar("T")

MAX_DEATHS = 3  # engines of one model that may die within
DEATH_WINDOW = 600.0  # s, before the next request is refused
DYING_SECONDS = 5.0  # that an engine may take to be gone once it has stopped to answer
STOPPING_SECONDS = 0.2  # between two looks for an engine that a load has started meanwhile


class Seat:
    """One engine's place: who uses it and since when nobody does. A model has as many as it has replicas."""

    def __init__(self, offer: Offer, number: int = 0) -> None:
        self.offer = offer
        self.name = offer.name if number == 0 else f"{offer.name} #{number + 1}"
        self.server: RunningServer | None = None
        self.users = 0
        self.waiting = 0
        self.last = 0.0
        self.task: asyncio.Task[None] | None = None
        self.draining = False  # takes no new requests, so that it can make room
        self.deaths: deque[float] = deque(maxlen=MAX_DEATHS + 1)

    @property
    def settings(self) -> Settings:
        """What the engine was given; what it will be given, as long as there is none."""
        return self.server.server.settings if self.server else self.offer.plan.start.settings

    @property
    def busy(self) -> int:
        """Requests that it answers, or that wait for it."""
        return self.users + self.waiting

    @property
    def lives(self) -> bool:
        """Whether it can take a request now."""
        return self.server is not None and self.server.alive() and not self.draining

    @property
    def state(self) -> str:
        """ready, loading or cold."""
        return "ready" if self.server else "loading" if self.task else "cold"


class Pool:
    """Hands out engines. Every method runs in the event loop."""

    def __init__(
        self,
        offers: Sequence[Offer],
        loader: Loader,
        metrics: Metrics,
        *,
        idle_seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        self.replicas = {offer.name: tuple(Seat(offer, n) for n in range(offer.replicas)) for offer in offers}
        self.seats = {seat.name: seat for group in self.replicas.values() for seat in group}
        self._loader = loader
        self._metrics = metrics
        self._idle_seconds = idle_seconds
        self._tell = tell
        self._one_load = asyncio.Lock()
        self._bell = asyncio.Event()
        self._closing = False
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to look for idle engines."""
        self._watch = asyncio.create_task(self._unload_idle())

    @asynccontextmanager
    async def use(self, offer: Offer, avoid: Collection[str] = (), prefer: int = 0) -> AsyncIterator[Server]:
        """The least busy engine of this model, started if need be, which stays while it is used. Raises `Problem`.

        `avoid` are ids of engines that did not answer; among equally busy ones `prefer` chooses, so that a conversation
        finds its prompt in the cache again.
        """
        seat = self._least_busy(offer, avoid, prefer)
        server = await self._ready(seat)
        seat.users += 1
        try:
            yield server.server
        finally:
            seat.users -= 1
            seat.last = asyncio.get_running_loop().time()
            self._ring()

    async def warm(self, offer: Offer) -> None:
        """Start every replica. Raises `Problem`, or `NoModelFits` when some run and not all."""
        for number, seat in enumerate(self.replicas[offer.name]):
            try:
                await self._ready(seat)
            except Problem as problem:
                if number == 0:
                    raise
                raise NoModelFits(
                    f"{number} of {offer.replicas} replicas of {offer.name} could be started.",
                    why=problem.message,
                    hint=f"Start fewer: --replicas {number}",
                ) from problem

    def failed(self, server: Server) -> None:
        """An engine did not answer: where it has replicas, it is started again as soon as it is gone."""
        for seat in self.seats.values():
            if seat.offer.replicas > 1 and seat.server is not None and seat.server.server.id == server.id:
                task = asyncio.create_task(self._revive(seat, server.id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop everything, loads that are under way too."""
        from launchpad.engines.process import stop_all

        self._closing = True
        self._ring()
        if self._watch is not None:
            self._watch.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(stop_all)
        while loads := [seat.task for seat in self.seats.values() if seat.task and not seat.task.done()]:
            await asyncio.wait(loads, timeout=STOPPING_SECONDS)
            await asyncio.to_thread(stop_all)  # a load may have had no engine yet when it was told to stop
        for seat in self.seats.values():
            if seat.server is not None:
                await self._unload(seat, "shutdown")

    # -- replicas -----------------------------------------------------------------------------------------------

    def _least_busy(self, offer: Offer, avoid: Collection[str], prefer: int) -> Seat:
        group = self.replicas[offer.name]
        if len(group) == 1:
            return group[0]
        order = sorted(range(len(group)), key=lambda n: (group[n].busy, (n - prefer) % len(group)))
        seats = [group[n] for n in order]
        others = [s for s in seats if s.server is None or s.server.server.id not in avoid] or seats
        ready = [seat for seat in others if seat.lives]
        if ready and ready[0].busy >= ready[0].settings.parallel:
            for cold in (seat for seat in group if seat.state == "cold"):
                self._begin(cold)
        return (ready or others)[0]

    async def _revive(self, seat: Seat, engine: str) -> None:
        """Start the engine again once it is gone; one that lives on had lost a connection only."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DYING_SECONDS):
                while seat.server is not None and seat.server.server.id == engine and seat.server.alive():
                    await asyncio.sleep(0.05)
        self._restart(seat)

    def _restart(self, seat: Seat) -> None:
        if not self._closing and seat.server is not None and not seat.server.alive():
            self._begin(seat)

    # -- loading ------------------------------------------------------------------------------------------------

    async def _ready(self, seat: Seat) -> RunningServer:
        seat.waiting += 1
        try:
            while True:
                if self._closing:
                    raise Problem(503, "The gateway is stopping.", code="stopping")
                if seat.draining:
                    await self._next_change()
                elif seat.server is not None and seat.server.alive():
                    return seat.server
                else:
                    await self._loaded(seat)
        finally:
            seat.waiting -= 1

    async def _loaded(self, seat: Seat) -> None:
        """Join the load of this model, or begin it. It goes on when the client who began it leaves."""
        await asyncio.shield(self._begin(seat))

    def _begin(self, seat: Seat) -> asyncio.Task[None]:
        if seat.task is None:
            seat.task = asyncio.create_task(self._load(seat))
            seat.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return seat.task

    async def _load(self, seat: Seat) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._one_load:
                if seat.server is not None:
                    await self._bury(seat)
                self._check_deaths(seat)
                begin = loop.time()
                self._tell(f"loading {seat.name}")
                seat.server = await self._make_room_and_load(seat)
                seat.last = loop.time()
                self._metrics.loaded(seat.offer.name, seat.last - begin)
        except LaunchpadError as error:
            self._tell(f"{seat.name}: {error}")
            raise _problem(seat.offer, error) from error
        finally:
            seat.task = None
            self._ring()

    async def _make_room_and_load(self, seat: Seat) -> RunningServer:
        retried = False
        while True:
            loaded = [other for other in self.seats.values() if other is not seat and other.server]
            others = [other for other in loaded if other.offer is not seat.offer]  # a replica makes no room
            try:
                return await self._in_thread(partial(self._loader.load, seat.offer, not loaded))
            except NoModelFits:
                if not others:
                    raise
            except LaunchError:
                if retried or not others or self._closing:
                    raise
                retried = True
            await self._make_room(others)

    async def _in_thread(self, load: Callable[[], RunningServer]) -> RunningServer:
        """Load without stopping the loop; whoever cancels must not lose an engine that then comes up."""
        thread = asyncio.create_task(asyncio.to_thread(load))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            with suppress(LaunchpadError):
                (await thread).stop()
            raise

    # -- unloading ----------------------------------------------------------------------------------------------

    async def _make_room(self, others: Sequence[Seat]) -> None:
        """Unload the one that has not been used for longest; if all are busy, the first that becomes free."""
        try:
            while not (idle := [seat for seat in others if seat.users == 0]):
                min(others, key=lambda seat: seat.last).draining = True
                await self._next_change()
            victim = min(idle, key=lambda seat: seat.last)
            await self._unload(victim, "memory")
        finally:
            for seat in others:
                seat.draining = False
            self._ring()

    async def _unload(self, seat: Seat, why: str) -> None:
        """Stop the engine; returns when its memory is free. New requests for it wait for the lock of loads."""
        server, seat.server = seat.server, None
        if server is not None:
            await asyncio.to_thread(server.stop)
            self._metrics.unloaded(seat.offer.name, why)
            if why not in ("shutdown", "died"):
                self._tell(f"{seat.name} was unloaded ({why})")

    async def _bury(self, seat: Seat) -> None:
        """An engine died. The next one is started, unless they keep dying."""
        if seat.server is not None:
            cause = await asyncio.to_thread(obituary, seat.server)
            self._tell(f"the engine of {seat.name} died: {cause}")
        await self._unload(seat, "died")
        seat.deaths.append(asyncio.get_running_loop().time())

    def _check_deaths(self, seat: Seat) -> None:
        now = asyncio.get_running_loop().time()
        if len(seat.deaths) > MAX_DEATHS and now - seat.deaths[0] < DEATH_WINDOW:
            raise Problem(
                503,
                f"The engine of {seat.offer.name} died {MAX_DEATHS + 1} times in {DEATH_WINDOW / 60:.0f} minutes "
                "and is left alone for a while. `launchpad serve` shows why in its terminal.",
                code="engine_died",
                retry_after=60,
            )

    async def _unload_idle(self) -> None:
        while True:
            await asyncio.sleep(min(self._idle_seconds / 4, 5.0))
            now = asyncio.get_running_loop().time()
            for seat in self.seats.values():
                if seat.offer.replicas > 1:
                    self._restart(seat)
                unused = seat.server and seat.users == 0 and seat.waiting == 0
                if unused and now - seat.last > self._idle_seconds and not self._one_load.locked():
                    async with self._one_load:
                        await self._unload(seat, "idle")

    # -- waiting ------------------------------------------------------------------------------------------------

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

    async def _next_change(self) -> None:
        await self._bell.wait()


def _problem(offer: Offer, error: LaunchpadError) -> Problem:
    """Why a model cannot be had now, without what a client need not know of this machine."""
    if isinstance(error, NoModelFits):
        message = f"There is not enough free memory for {offer.name} now."
        return Problem(503, message, code="no_memory", retry_after=30)
    return Problem(
        503, f"{offer.name} could not be started: {without_paths(error.what)}", code="engine_failed"
    )
