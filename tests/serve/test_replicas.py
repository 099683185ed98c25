"""Several engines of one model: real child processes of the simulated engine behind a gateway on a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from launchpad.engines.process import EngineProcess
from launchpad.engines.running import EngineServer
from launchpad.engines.server import EngineReport, RunningServer, Server
from launchpad.errors import NoModelFits
from launchpad.fit.result import Settings
from launchpad.serve import checks
from launchpad.serve.loader import with_part_of_cores
from launchpad.serve.metrics import Metrics
from launchpad.serve.models import Offer
from launchpad.serve.pool import Pool
from launchpad.testing.processes import KEY, engine_processes, eventually, fake_command
from serve.conftest import ASK, Answer, Running, Start, offers_of, plan_of
from serve.conftest import KEY as GATEWAY_KEY

CHAT = "/v1/chat/completions"


class Loader:
    """Real processes; room for so many of them."""

    def __init__(self, *options: str, room: int = 16, parallel: int = 1) -> None:
        self.options = options
        self.room = room
        self.parallel = parallel
        self.started: list[RunningServer] = []

    def load(self, offer: Offer, alone: bool) -> RunningServer:
        if len(self.living()) >= self.room:
            raise NoModelFits("There is no room.")
        assert alone == (not self.living())
        process = EngineProcess.start(fake_command(*self.options))
        port = process.await_ready(process.ready_message)["port"]
        server = EngineServer(
            process,
            Server(
                id=process.token, backend="simulated", endpoint=f"http://127.0.0.1:{port}/v1", api_key=KEY,
                pid=process.pid or 0, model=offer.name, settings=Settings(context=4096, parallel=self.parallel),
                report=EngineReport(engine="x"),
            ),
        )  # fmt: skip
        self.started.append(server)
        return server

    def living(self) -> list[RunningServer]:
        return [server for server in self.started if server.alive()]


@pytest.fixture(autouse=True)
def no_orphans(private_home: Path) -> Iterator[None]:
    yield
    assert engine_processes(private_home) == []


def warm(running: Running, replicas: int) -> None:
    """Ask until every replica is in memory: each is started when all others are busy."""
    with ThreadPoolExecutor(replicas * 2) as many:
        while ready(running) < replicas:
            assert all(one.status == 200 for one in many.map(lambda _: ask(running), range(replicas * 2)))


def ready(running: Running) -> int:
    return sum(seat.lives for seat in running.gateway.pool.replicas["m"])


def users(running: Running) -> list[int]:
    return [seat.users for seat in running.gateway.pool.replicas["m"]]


def ask(running: Running, text: str = "hi", **more: Any) -> Answer:
    messages = [{"role": "user", "content": text}]
    return running.client(CHAT, {**ASK, "messages": messages, **more})


def in_background(running: Running, number: int, **more: Any) -> tuple[list[threading.Thread], list[Answer]]:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(ask(running, f"say {n}", **more)))  # type: ignore[misc]
        for n in range(number)
    ]
    for thread in threads:
        thread.start()
    return threads, answers


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(150)


def kill(running: Running, number: int) -> RunningServer:
    server = running.gateway.pool.replicas["m"][number].server
    assert server is not None
    os.kill(server.server.pid, signal.SIGKILL)
    return server


def test_requests_go_to_the_least_busy(start: Start) -> None:
    running = start(Loader("--token-seconds", "0.2"), "m", replicas=3)
    warm(running, 3)
    threads, answers = in_background(running, 6)
    eventually(lambda: users(running) == [2, 2, 2])
    join(threads)
    assert [one.status for one in answers] == [200] * 6
    (listed,) = running.client("/v1/models").document["data"]
    assert (listed["launchpad"]["replicas"], listed["launchpad"]["replicas_ready"]) == (3, 3)
    assert 'launchpad_replicas_ready{model="m"} 3' in running.client("/metrics").body.decode()


def test_none_is_lost_when_one_dies_and_it_is_started_again(start: Start) -> None:
    loader = Loader("--token-seconds", "0.2")
    running = start(loader, "m", replicas=3)
    warm(running, 3)
    threads, answers = in_background(running, 9)  # whole answers: none has begun before its end
    eventually(lambda: users(running) == [3, 3, 3])
    killed = kill(running, 1)
    join(threads)
    assert [one.status for one in answers] == [200] * 9
    texts = sorted(one.document["choices"][0]["message"]["content"] for one in answers)
    assert texts == [f"The answer is: say {n} " for n in range(9)]
    assert 'launchpad_retries_total{model="m"} 3' in running.client("/metrics").body.decode()
    eventually(lambda: ready(running) == 3)
    assert not killed.alive()
    assert len(loader.started) == 4


def test_one_that_dies_unused_is_started_again(start: Start) -> None:
    running = start(Loader(), "m", replicas=2, idle=60)  # looked at each five seconds
    warm(running, 2)
    killed = kill(running, 1)
    eventually(lambda: not killed.alive())
    eventually(lambda: ready(running) == 2, seconds=30)


def test_a_stream_that_had_not_begun_is_answered_by_another(start: Start) -> None:
    running = start(Loader("--token-seconds", "1.5"), "m", replicas=2)
    warm(running, 2)
    threads, answers = in_background(running, 2, stream=True)
    eventually(lambda: users(running) == [1, 1])
    kill(running, 0)
    join(threads)
    for one in answers:
        assert one.status == 200
        assert one.body.endswith(b"data: [DONE]\n\n")


def test_a_stream_that_had_begun_ends_with_an_error(start: Start) -> None:
    running = start(Loader("--token-seconds", "0.2"), "m", replicas=2)
    warm(running, 2)
    text = '{route="/v1/chat/completions"}'
    asked = json.dumps({**ASK, "stream": True, "max_tokens": 60})
    with closing(HTTPConnection("127.0.0.1", running.client.port, timeout=150)) as connection:
        connection.request("POST", CHAT, asked, {"Authorization": f"Bearer {GATEWAY_KEY}"})
        response = connection.getresponse()
        body = response.readline()
        kill(running, users(running).index(1))
        body += response.read()
    *before, last = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    assert before
    assert last["error"]["code"] == "answer_cut"
    assert b"[DONE]" not in body
    metrics = running.client("/metrics").body.decode()
    assert f"answers_cut_total{text} 1" in metrics
    assert "retries_total" not in metrics


def test_a_request_that_kills_engines_gets_no_third(start: Start) -> None:
    # The signal may reach another thread than the one that answers: tokens take a moment.
    loader = Loader("--crash-at-token", "3", "--token-seconds", "0.05")
    running = start(loader, "m", replicas=3)
    with ThreadPoolExecutor(6) as many:
        while ready(running) < 3:
            list(many.map(lambda _: ask(running, max_tokens=2), range(6)))
    before = len(loader.started)
    got = ask(running, max_tokens=10)
    assert got.status == 502
    eventually(lambda: len(loader.started) == before + 2)
    eventually(lambda: ready(running) == 3)


def test_a_cold_one_is_started_when_all_others_are_busy(start: Start) -> None:
    running = start(Loader("--token-seconds", "0.1"), "m", replicas=2)
    assert ask(running).status == 200
    assert ready(running) == 1
    threads, _ = in_background(running, 3)
    eventually(lambda: ready(running) == 2)
    join(threads)


def pool_of(loader: Loader, replicas: int) -> tuple[Pool, Offer]:
    (offer,) = offers_of("m", replicas=replicas)
    return Pool([offer], loader, Metrics(), idle_seconds=900, tell=lambda line: None), offer


def in_loop(pool: Pool, story: Callable[[], Any]) -> None:
    async def whole() -> None:
        try:
            await story()
        finally:
            await pool.close()

    asyncio.run(whole())


def test_all_are_started_at_once_where_that_is_asked_for() -> None:
    loader = Loader()
    pool, offer = pool_of(loader, 3)

    async def story() -> None:
        await pool.warm(offer)
        assert [seat.state for seat in pool.replicas["m"]] == ["ready"] * 3
        assert list(pool.seats) == ["m", "m #2", "m #3"]

    in_loop(pool, story)


def test_too_many_for_this_machine_say_how_many_run() -> None:
    pool, offer = pool_of(Loader(room=2), 3)

    async def story() -> None:
        with pytest.raises(NoModelFits) as caught:
            await pool.warm(offer)
        assert str(caught.value.what) == "2 of 3 replicas of m could be started."
        assert caught.value.hint == "Start fewer: --replicas 2"
        assert pool.replicas["m"][0].state == "ready"  # none was unloaded to make room for its twin

    in_loop(pool, story)


def test_a_conversation_goes_where_its_prompt_is_cached() -> None:
    pool, offer = pool_of(Loader(), 3)

    async def story() -> None:
        await pool.warm(offer)
        for prefer in range(6):
            seen = set()
            for _ in range(2):
                async with pool.use(offer, prefer=prefer) as server:
                    seen.add(server.id)
            assert len(seen) == 1
            (mine,) = seen
            assert pool.replicas["m"][prefer % 3].server.server.id == mine  # type: ignore[union-attr]

    in_loop(pool, story)


def test_a_conversation_is_known_as_it_grows() -> None:
    first = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]}
    later = {
        "messages": [
            *first["messages"],
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ]
    }
    other = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}]}
    assert checks.conversation(first) == checks.conversation(later) != checks.conversation(other)
    for odd in ({}, {"messages": []}, {"messages": ["x"]}, {"prompt": "p"}, {"input": [{"role": "user"}]}):
        assert checks.conversation(odd) >= 0


@pytest.mark.parametrize(
    ("kind", "replicas", "threads"), [("cpu", 2, 4), ("cpu", 3, 2), ("cpu", 100, 1), ("gpu", 2, 8)]
)
def test_replicas_share_the_cores(kind: str, replicas: int, threads: int) -> None:
    plan = plan_of("m")
    start = plan.start
    placed = replace(start.fit, placement=replace(start.fit.placement, kind=kind))
    start = replace(start, fit=placed, arguments={"threads": 8}, settings=replace(start.settings, threads=8))
    machine = replace(plan.machine, cpu=replace(plan.machine.cpu, cores_available=8))
    done = with_part_of_cores(replace(plan, start=start, machine=machine), replicas).start
    assert done.arguments["threads"] == done.settings.threads == threads
