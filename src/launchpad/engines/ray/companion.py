"""The process here that stands for an engine on a Ray cluster: its life is the engine's, its port leads there, it writes the log.

    launchpad ──▶ guard ──▶ companion ──jobs (HTTP)──▶ dashboard
                            127.0.0.1:port ──leash, talk──▶ head.py on the head ──▶ engine

So everything that launchpad does with an engine of this machine works: it is guarded, kept, listed, its log is read, TERM ends
it. It submits the job, follows it, and returns when the job and its workers are gone, 0 if that was asked for. When it
is killed the leash breaks, and the head ends the engine by itself.

In: one JSON object, a `Task`, on standard input. Out: the log, and in it, when something on the cluster fails, what, why and what to
do (`entry.failed`); and `{"port": …}` in the file that LAUNCHPAD_READY_FILE names once the head is reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from launchpad.engines.ray.entry import ENTRYPOINT, HEAD, failed, said
from launchpad.engines.ray.head import BEAT, SILENCE, pump
from launchpad.engines.ray.nodes import Nodes, workers
from launchpad.errors import EngineMissing, LaunchError, LaunchpadError
from launchpad.hardware.ray_dashboard import Dashboard
from launchpad.hardware.ray_jobs import SETTLES, Jobs

T = TypeVar("T")

LOOK = 0.5  # s between two looks at a job
WATCH = 2.0  # s between two looks at the nodes
UNSEEN = 60.0  # s that the dashboard may be silent while the engine runs
SUBMITTED = 120.0  # s for a job to say where it listens
LEFT = 8.0  # s for a job that was told to end, and for its workers
LONGEST_LINE = 1 << 22


class Task(Struct, frozen=True, kw_only=True):
    """What to run: `child` is the engine's first program as text, `settings` its standard input.

    `nodes` are the addresses of the cluster's nodes, `drain` the seconds that running answers get at the end.
    """

    dashboard: Dashboard
    job: str
    source: str
    child: str
    settings: dict[str, Any]
    environment: dict[str, str]
    nodes: tuple[str, ...]
    drain: float
    metadata: dict[str, str] = {}


class Door(Struct, frozen=True):
    """Where the job on the head listens."""

    address: str
    port: int


class Companion:
    """One job, from its submission until nothing is left of it."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._jobs = Jobs(task.dashboard)
        self._secret = secrets.token_urlsafe(32)
        self._stop = asyncio.Event()
        self._leash: asyncio.StreamWriter | None = None
        self._ended: int | None = None
        self._door: Door | None = None
        self._shown = 0
        self._clients: set[asyncio.StreamWriter] = set()

    async def run(self) -> int:
        """The exit code of this process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        submitted = False
        try:
            await self._ask(self._submit)
            submitted = True
            await self._until_stopped(self._live())
        except LaunchpadError as error:
            self._fail(error)
        finally:
            if submitted:
                await self._end()
        return 0 if self._stop.is_set() else 1

    def _fail(self, error: LaunchpadError) -> None:
        """Tell why, and only then cut those who wait for an answer."""
        _say(failed(error.what, error.why, error.hint))
        for client in self._clients:
            client.transport.abort()

    async def _until_stopped(self, work: Any) -> None:
        """Do it; when this process is told to stop, no longer."""
        tasks = {asyncio.create_task(work), asyncio.create_task(self._stop.wait())}
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for one in done:
            one.result()

    async def _ask(self, call: Callable[[], T]) -> T:
        """Ask the dashboard in a thread: it may take its time."""
        return await asyncio.to_thread(call)

    def _submit(self) -> None:
        environment = {
            **self._task.environment,  # the workers, too
            "LAUNCHPAD_JOB": self._task.source,
            "LAUNCHPAD_LEASH": sha256(self._secret.encode()).hexdigest(),
        }
        self._jobs.submit(self._task.job, ENTRYPOINT, environment=environment, metadata=self._task.metadata)
        _say(f"launchpad: job {self._task.job} was submitted to {self._task.dashboard.url}")

    # -- its life -------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        self._door = await self._found()
        reader = await self._leashed(self._door)
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        _tell_port(server.sockets[0].getsockname()[1])
        async with server:
            tasks = [asyncio.create_task(one) for one in (self._listen(reader), self._beat(), self._watch())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
            finally:
                for one in tasks:
                    one.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _found(self) -> Door:
        """Where the job listens, from its log. Raises `LaunchError` when it ends first."""
        for _ in range(int(SUBMITTED / LOOK)):
            job = await self._ask(lambda: self._jobs.look(self._task.job))
            log = await self._ask(lambda: self._jobs.log(self._task.job))
            _say(log[self._shown :].rstrip("\n"))
            self._shown = len(log)
            if (line := said(log, HEAD)) is not None:
                return self._checked(line)
            if job is None or job.ended:
                why = job.message if job and job.message else "Nobody tells why."
                raise LaunchError("The job ended before it started anything.", why=why.splitlines()[-1][:300])
            await asyncio.sleep(LOOK)
        raise LaunchError(
            "The job on the head does not start.",
            why=f"It said nothing for {SUBMITTED:.0f} s.",
            hint="`ray list jobs` on the head shows what it waits for.",
        )

    def _checked(self, line: str) -> Door:
        """The address that the job told, if it is one of the cluster's: nothing is sent to any other."""
        try:
            door = msgspec.json.decode(line, type=Door)
            loopback = ipaddress.ip_address(door.address).is_loopback
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._task.dashboard.wrong("the job tells no address") from error
        if door.address in self._task.nodes or (loopback and self._task.dashboard.loopback):
            return door
        raise self._task.dashboard.wrong(f"the job listens at {door.address}, where no node is")

    async def _leashed(self, door: Door) -> asyncio.StreamReader:
        try:
            connecting = asyncio.open_connection(door.address, door.port, limit=LONGEST_LINE)
            reader, self._leash = await asyncio.wait_for(connecting, 10.0)
        except (OSError, TimeoutError) as error:
            raise EngineMissing(
                f"The head cannot be reached at {door.address}:{door.port}.",
                why=f"{str(error) or 'It does not answer'}. The dashboard can be reached, other ports of the head cannot.",
                hint="Run launchpad on the head, or from within its private network: a tunnel to the dashboard alone will not do.",
            ) from error
        self._write(
            secret=self._secret,
            kind="leash",
            child=self._task.child,
            settings=self._task.settings,
            environment=self._task.environment,
        )
        return reader

    def _write(self, **message: object) -> None:
        if self._leash is not None:
            self._leash.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Copy the engine's log until it has ended. Raises `LaunchError` when the head is silent."""
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), SILENCE)
            except TimeoutError:
                raise self._gone(f"The head said nothing for {SILENCE:.0f} s.") from None
            except OSError as error:
                raise self._gone(f"The connection to the head broke: {error}.") from error
            if not line:
                raise self._gone("The head closed the connection.")
            message = msgspec.json.decode(line, type=dict[str, Any])
            if "log" in message:
                _write_out(message["log"])
            if "ended" in message:
                self._ended = message["ended"]
                return

    def _gone(self, why: str) -> LaunchError:
        return LaunchError("The engine's job on the Ray cluster is gone.", why=why)

    async def _beat(self) -> None:
        while True:
            self._write(alive=True)
            await asyncio.sleep(BEAT)

    async def _watch(self) -> None:
        """See that every node that works for the job stays. Raises `LaunchError` for one that leaves."""
        nodes, unseen = Nodes(self._task.dashboard), 0.0
        while True:
            await asyncio.sleep(WATCH)
            try:
                nodes.work(await self._ask(self._workers))
                lost = await self._ask(nodes.left) or await nodes.silent()
            except LaunchpadError as error:
                unseen += WATCH
                if unseen > UNSEEN:
                    raise error
                lost = await nodes.silent()
            else:
                unseen = 0.0
            if lost:
                raise LaunchError(
                    f"A node has left the Ray cluster: {', '.join(lost)}.",
                    why="The model was spread over it, and cannot answer without it.",
                    hint="Bring the node back, or run it again on those that are left.",
                )

    def _workers(self) -> set[str]:
        job = self._jobs.look(self._task.job)
        return workers(self._task.dashboard, job.job_id) if job and job.job_id else set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client here, to the engine there."""
        assert self._door
        self._clients.add(writer)
        try:
            there, out = await asyncio.open_connection(self._door.address, self._door.port)
            try:
                out.write(json.dumps({"secret": self._secret, "kind": "talk"}).encode() + b"\n")
                await asyncio.gather(pump(reader, out), pump(there, writer))
            finally:
                out.close()
        except OSError:
            pass
        finally:
            self._clients.discard(writer)
            writer.close()

    # -- its end --------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        """Let the engine drain, else have Ray end the job; then wait until its workers are gone, and take it off the list."""
        self._write(stop=self._task.drain)
        with contextlib.suppress(OSError):
            if self._leash is not None:
                await self._leash.drain()
        try:
            patience = 0.0 if self._leash is None or not self._stop.is_set() else self._task.drain + 2.0
            if not await self._is_over(patience):
                await self._ask(lambda: self._jobs.stop(self._task.job))
                if not await self._is_over(LEFT):
                    _say(f"launchpad: job {self._task.job} does not end: `ray job stop {self._task.job}`")
                    return
            settled = asyncio.create_task(asyncio.sleep(SETTLES))
            for _ in range(int(LEFT / LOOK)):
                if not await self._ask(self._workers):
                    break
                await asyncio.sleep(LOOK)
            await settled
            await self._ask(lambda: self._jobs.forget(self._task.job))
        except LaunchpadError as error:
            _say("\n".join(f"launchpad: {line}" for line in str(error).splitlines()))

    async def _is_over(self, patience: float) -> bool:
        for _ in range(int(patience / LOOK) + 1):
            job = await self._ask(lambda: self._jobs.look(self._task.job))
            if job is None or job.ended:
                return True
            await asyncio.sleep(LOOK)
        return False


def _say(text: str) -> None:
    if text:
        _write_out(text + "\n")


def _write_out(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(text)
        sys.stdout.flush()


def _tell_port(port: int) -> None:
    ready = Path(os.environ["LAUNCHPAD_READY_FILE"])
    draft = ready.with_suffix(".draft")
    draft.write_text(json.dumps({"port": port}))
    draft.replace(ready)


def main() -> int:
    """Stand for one engine."""
    return asyncio.run(Companion(msgspec.json.decode(sys.stdin.buffer.read(), type=Task)).run())


if __name__ == "__main__":
    sys.exit(main())
