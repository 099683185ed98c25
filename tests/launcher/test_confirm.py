"""The engine asked about a plan: what it says joins the plan, and nothing that goes wrong takes the plan away."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from factories import candidate, local
from launchpad.choice.choose import Availability, choose
from launchpad.engines.server import EngineBuffers, EngineReport
from launchpad.errors import BadModelFile
from launchpad.hardware.machine import Machine
from launchpad.launcher import measurements
from launchpad.launcher.confirm import confirmed, write_sparse
from launchpad.plan import Plan, StartStep, make_plan
from launchpad.plugins.host import Host
from launchpad.wish import Wish

MIB = 1 << 20


def plan_for(**machine: Any) -> Plan:
    """A plan to run a model that is here."""
    one = candidate("m", availability=Availability(obtainable=True, local=local("m")), memory=1000 * MIB)
    return make_plan(Machine(name="x", **machine), Wish(), choose([one], Wish()), lambda _: {})


def host_that(says: EngineReport | Exception | None) -> Host:
    """A host with one backend whose dry run gives that."""

    def dry_run(start: StartStep) -> EngineReport | None:
        assert start.model_path == "/models/m.gguf"
        if isinstance(says, Exception):
            raise says
        return says

    return cast("Host", SimpleNamespace(backend=lambda name: SimpleNamespace(dry_run=dry_run)))


def report_of(mib: int) -> EngineReport:
    return EngineReport(engine="llama.cpp b1", buffers=(EngineBuffers(device="cpu", model=mib * MIB),))


def test_what_agrees_is_in_the_plan_and_no_notice() -> None:
    plan = plan_for()
    found = confirmed(host_that(report_of(1001)), plan, connect=False)
    assert found.confirmation is not None
    assert found.confirmation.agrees
    assert found.notices == plan.notices


def test_a_difference_is_a_notice_and_recorded() -> None:
    plan = plan_for()
    found = confirmed(host_that(report_of(1100)), plan, connect=False)
    assert found.confirmation is not None
    assert not found.confirmation.agrees
    assert "1,100 MiB" in found.notices[-1]
    (kept,) = measurements.load(plan.machine)
    assert kept.source == "dry-run"
    assert kept.memory == found.confirmation


def test_an_engine_that_cannot_tell_or_fails_leaves_the_plan_as_it_is() -> None:
    plan = plan_for()
    for says in (None, BadModelFile("bad"), OSError("no")):
        assert confirmed(host_that(says), plan, connect=False) is plan


def test_an_engine_that_dies_in_its_dry_run_is_said() -> None:
    plan = plan_for()
    dead = EngineReport(
        engine="llama.cpp b1", untold="crashed (signal 11) before it told what this file takes"
    )
    found = confirmed(host_that(dead), plan, connect=False)
    assert found.confirmation is None
    assert found.notices[-1] == (
        "llama.cpp b1 crashed (signal 11) before it told what this file takes: the figures are computed, "
        "and it may refuse the model."
    )


def test_a_simulated_machine_has_no_engine_to_ask() -> None:
    plan = plan_for(simulated=True)
    assert confirmed(host_that(report_of(5000)), plan, connect=True) is plan


def test_a_header_takes_no_more_room_than_its_bytes(tmp_path: Path) -> None:
    first = write_sparse(tmp_path, ["a-1.gguf", "a-2.gguf"], [b"GGUF1", b"GGUF2"], [10**9, None])
    assert first.name == "a-1.gguf"
    assert first.stat().st_size == 10**9
    assert first.stat().st_blocks * 512 < MIB
    with first.open("rb") as file:
        assert file.read(6) == b"GGUF1\0"
    assert (tmp_path / "a-2.gguf").read_bytes() == b"GGUF2"


def test_the_download_is_announced_with_all_files_that_come() -> None:
    from launchpad.plugins.spec import RemoteFile, Resolved

    one = candidate("m", memory=1000 * MIB)
    files = tuple(
        RemoteFile(path=path, urls=(), size=size) for path, size in (("m.gguf", 70), ("mmproj-F16.gguf", 7))
    )

    def size(wish: Wish) -> int | None:
        plan = make_plan(Machine(name="x"), wish, choose([one], wish), lambda _: {})
        resolved = Resolved(ref="x", folder="f", revision="r", files=files, entry="m.gguf", build=one.build)
        source = SimpleNamespace(resolve=lambda build: resolved)
        host = cast("Host", SimpleNamespace(source=lambda scheme: source))
        found = confirmed(host, plan, connect=True)
        assert found.pull is not None
        assert found.start.fit.devices[0].term("projector") == (7 if wish.projector else 0)
        return found.pull.size

    assert size(Wish()) == 77
    assert size(Wish(projector=False)) == 70
