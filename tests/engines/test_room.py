"""Which kept engines make room for a plan, by real processes of the simulated engine; the plans are made up."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from engines.conftest import Keep
from factories import candidate
from launchpad.choice.choose import choose
from launchpad.engines import kept, use
from launchpad.engines.resident import private_bytes
from launchpad.errors import NoModelFits
from launchpad.events import Event
from launchpad.hardware.machine import Accelerator, Machine, Memory, with_freed
from launchpad.hardware.simulate import simulate
from launchpad.launcher import room
from launchpad.launcher.room import foreseen, idle, on_cluster, with_room
from launchpad.plan import Plan, make_plan
from launchpad.wish import Wish

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreaper and /proc are Linux's")

MIB = 1 << 20


@pytest.fixture
def said() -> list[str]:
    return []


def plan(context: int) -> Plan:
    made = make_plan(simulate("cpu 32GB"), Wish(), choose([candidate("new")], Wish()), lambda fit: {})
    return replace(made, start=replace(made.start, settings=replace(made.start.settings, context=context)))


def room_beside(most: int, short: int | None = None) -> Callable[[Mapping[str, int]], Plan]:
    """A full plan beside at most `most` kept engines; else one with the context `short`, or none. 64 MiB are one engine."""

    def make(freed: Mapping[str, int]) -> Plan:
        threading.Event().wait(0.05)  # as long as looking at a machine takes at least
        if len(list(kept.usable())) - freed.get("cpu", 0) // (64 * MIB) <= most:
            return plan(8192)
        if short is None:
            raise NoModelFits("There is no room.")
        return plan(short)

    return make


def tell(said: list[str]) -> Callable[[Event], None]:
    return lambda event: said.append(getattr(event, "message", ""))


def let_go(keep: Keep, *options: str) -> str:
    """A kept engine that nobody relies on."""
    handle = keep("--hold", str(64 * MIB), *options)
    handle.stop()
    return handle.record.token


def age(token: str, seconds: float) -> None:
    path = use._path(token, "attached")
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_the_least_recently_used_goes_and_only_as_many_as_need_be(keep: Keep, said: list[str]) -> None:
    old, older = let_go(keep), let_go(keep)
    age(old, 60)
    age(older, 600)
    assert [one.record.token for one in idle()] == [older, old]
    made = with_room(room_beside(1), tell(said))
    assert made.start.settings.context == 8192
    assert [record.token for record in kept.usable()] == [old]
    assert len(said) == 1
    assert older[:8] in said[0]
    assert "10 min" in said[0]


def test_nothing_goes_where_there_is_room_or_where_it_would_not_help(keep: Keep, said: list[str]) -> None:
    token = let_go(keep)
    with_room(room_beside(1), tell(said))
    with_room(room_beside(-1, short=2048), tell(said))
    with pytest.raises(NoModelFits):
        with_room(room_beside(-1), tell(said))
    assert (
        with_room(room_beside(0, short=4096), tell(said), promised=plan(4096)).start.settings.context == 4096
    )
    assert [record.token for record in kept.usable()] == [token]
    assert not said


def test_room_is_made_for_a_larger_context_too_but_a_plan_alone_makes_none(
    keep: Keep, said: list[str]
) -> None:
    token = let_go(keep)
    told = foreseen(room_beside(0, short=2048), tell(said))
    assert told.start.settings.context == 8192
    assert token[:8] in told.notices[-1]
    assert [record.token for record in kept.usable()] == [token]
    assert with_room(room_beside(0, short=2048), tell(said)).start.settings.context == 8192
    assert not list(kept.usable())


def test_after_a_loss_it_is_asked_again_until_the_cluster_has_given_its_gpus_back(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    asked = []

    def make(freed: Mapping[str, int]) -> Plan:
        asked.append(freed)
        if len(asked) < 3:
            raise NoModelFits("Its GPUs are held.")
        return plan(4096)

    with pytest.raises(NoModelFits):
        with_room(make, tell(said))
    assert len(asked) == 1
    assert with_room(make, tell(said), lost=True).start.settings.context == 4096
    monkeypatch.setattr(room, "GIVEN_BACK_SECONDS", 0.0)
    asked.clear()
    with pytest.raises(NoModelFits):
        with_room(make, tell(said), lost=True)


def test_one_in_use_stays_whatever_the_use_is(keep: Keep, said: list[str]) -> None:
    attached = keep("--hold", str(64 * MIB))
    asked = let_go(keep)
    burning = let_go(keep, "--burn")  # somebody whom launchpad does not know has it work
    with use.working(asked), pytest.raises(NoModelFits):
        with_room(room_beside(0), tell(said))
    assert {record.token for record in kept.usable()} == {attached.record.token, asked, burning}
    assert not said


def test_only_memory_that_comes_free_is_counted(keep: Keep) -> None:
    let_go(keep)
    (one,) = idle()
    assert 64 * MIB <= one.holds()["cpu"] < 160 * MIB
    assert private_bytes(1 << 22) == 0  # no such process


def test_of_an_engine_on_a_cluster_gpus_of_its_nodes_come_free_and_nothing_here() -> None:
    where = simulate("2 nodes of 2x RTX 4090 + 64GB")
    assert where.cluster is not None
    live = replace(where, cluster=replace(where.cluster, live="http://10.0.0.1:8265"))
    made = plan(4096)
    devices = ("nvidia:0", "nvidia:1", "node-2/nvidia:0")
    fit = replace(made.start.fit, placement=replace(made.start.fit.placement, devices=devices))
    there = replace(made, machine=live, start=replace(made.start, fit=fit))
    assert on_cluster(there, "http://10.0.0.1:8265") == {
        "gpus of http://10.0.0.1:8265/node-1": 2,
        "gpus of http://10.0.0.1:8265/node-2": 1,
    }


def test_freed_memory_is_never_more_than_there_is() -> None:
    gpu = Accelerator(index=0, vendor="nvidia", name="g", memory_total=100, memory_free=40)
    machine = Machine(name="m", memory=Memory(total=1000, available=300), accelerators=(gpu,))
    more = with_freed(machine, {"cpu": 200, "nvidia:0": 30})
    assert (more.memory.available, more.accelerators[0].memory_free) == (500, 70)
    most = with_freed(machine, {"cpu": 9999, "nvidia:0": 9999})
    assert (most.memory.available, most.accelerators[0].memory_free) == (1000, 100)
    assert with_freed(machine, {}) == machine
    unknown = with_freed(Machine(name="m"), {"cpu": 5})
    assert unknown.memory.available is None
