"""A live Ray cluster as a machine. The dashboard is simulated, see ray_facts."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from launchpad.errors import EngineMissing, LaunchError, LaunchpadError, RefusedError, UsageError
from launchpad.hardware.machine import Machine
from launchpad.hardware.ray_cluster import gpus_of, read_cluster
from launchpad.hardware.ray_dashboard import dashboard, is_ray
from ray_facts import H100, MIB, TWO, node, replies, serving


def read(answers: dict[str, Any]) -> Machine:
    with serving(answers) as port:
        return read_cluster(dashboard(f"ray://127.0.0.1:{port}"))


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    answers = deepcopy(TWO)
    change(answers)
    return answers


def test_nodes_gpus_and_memory_are_those_of_the_cluster() -> None:
    machine = read(TWO)
    assert machine.cluster is not None
    assert machine.cluster.live and machine.cluster.live.startswith("http://127.0.0.1:")
    assert [one.address for one in machine.cluster.nodes] == ["10.0.0.1", "10.0.0.2"]
    assert {len(one.accelerators) for one in machine.cluster.nodes} == {2}
    card = machine.accelerators[1]
    assert (card.index, card.memory_total, card.memory_free) == (1, 81559 * MIB, 81000 * MIB)
    assert (card.arch, card.apis) == ("9.0", ("cuda", "vulkan"))
    assert (machine.memory.total, machine.memory.available) == (25276510208, 24366448640)
    assert any("without a token" in warning for warning in machine.warnings)


def test_the_node_with_the_gpus_leads_and_the_dead_are_left_out() -> None:
    dead = node("c", "10.0.0.3", False, [H100])
    dead[0]["state"] = "DEAD"
    machine = read(
        replies(node("a", "10.0.0.1", True, [], GPU=0.0), node("b", "10.0.0.2", False, [H100] * 2), dead)
    )
    assert machine.cluster is not None
    assert [one.name for one in machine.cluster.nodes] == ["10.0.0.2", "10.0.0.1"]
    assert len(machine.accelerators) == 2


def test_gpus_that_come_free_count_as_free() -> None:
    busy = node("a", "10.0.0.1", True, [H100, H100])
    busy[2]["GPU"][0] = 2.0
    with serving(replies(busy)) as port:
        at = dashboard(f"ray://127.0.0.1:{port}")
        assert len(read_cluster(at).accelerators) == 0
        assert len(read_cluster(at, {gpus_of(at.url, "10.0.0.1"): 1}).accelerators) == 1
        assert len(read_cluster(at, {gpus_of(at.url, "10.0.0.2"): 2}).accelerators) == 0


def test_gpus_that_other_work_holds_are_not_counted_the_fullest_first() -> None:
    busy = node("a", "10.0.0.1", True, [{**H100, "memory_used": 70000}, H100])
    busy[2]["GPU"][0] = 0.5
    machine = read(replies(busy))
    assert [card.memory_free for card in machine.accelerators] == [81000 * MIB]
    assert any("1 of 2 GPUs are held" in warning for warning in machine.warnings)


def test_cards_that_ray_only_counts_are_unknown_or_the_tables() -> None:
    typed = node("b", "10.0.0.2", False, [], **{"accelerator_type:L4": 1.0})
    machine = read(replies(node("a", "10.0.0.1", True, []), typed))
    assert machine.cluster is not None
    known, unknown = (one.accelerators for one in machine.cluster.nodes)
    assert [card.memory_total for card in known] == [24 * 1024 * MIB] * 2
    assert [card.memory_total for card in unknown] == [None, None]
    said = "\n".join(machine.warnings)
    assert "10.0.0.1: Ray counts 2 GPUs and knows neither" in said
    assert "that of the table" in said


def test_two_nodes_behind_one_address_stay_two() -> None:
    machine = read(replies(node("a", "10.0.0.1", True, [H100]), node("b", "10.0.0.1", False, [H100])))
    assert machine.cluster is not None
    assert len({one.name for one in machine.cluster.nodes}) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("/api/version"),
        lambda a: a.update({"/api/version": {"version": "0.9.1"}}),
        lambda a: a.update({"/nodes": b"<html>hello</html>"}),
        lambda a: a.update({"/nodes": b"[" * 100_000}),
        lambda a: a.update({"/api/v0/nodes": {"data": None}}),
        lambda a: a["/nodes"]["data"]["summary"][0].update(mem=[-1, "x"]),
        lambda a: a["/nodes"]["data"]["summary"][0].update(gpus=[{"name": "x", "memory_total": 1e300}]),
        lambda a: a.update({"/api/version": b" " * (17 << 20)}),
    ],
)
def test_what_is_not_rays_answer_is_said(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(LaunchError, match="does not answer as a Ray dashboard"):
        read(changed(change))


def test_names_cannot_write_on_the_terminal() -> None:
    machine = read(replies(node("a", "10.0.0.1\x1b[2J", True, [{**H100, "name": "H100\x1b]0;x\x07" * 99}])))
    assert "\x1b" not in repr(machine) + "".join(machine.warnings) + machine.accelerators[0].name
    assert len(machine.accelerators[0].name) <= 100


def test_too_many_or_no_nodes_are_refused() -> None:
    for number in (0, 65):
        with pytest.raises(UsageError, match=f"has {number} nodes"):
            read(replies(*(node(str(n), f"10.0.0.{n}", n == 0, []) for n in range(number))))


def test_a_token_is_asked_for_and_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = changed(lambda a: a.update({"/api/authentication_mode": {"authentication_mode": "token"}}))
    with serving(guarded, token="right") as port:
        with pytest.raises(RefusedError) as refused:
            read_cluster(dashboard(f"ray://127.0.0.1:{port}"))
        assert "RAY_AUTH_TOKEN" in (refused.value.hint or "")
        monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
        machine = read_cluster(dashboard(f"ray://127.0.0.1:{port}"))
    assert not any("without a token" in warning for warning in machine.warnings)


def test_a_token_that_the_cluster_does_not_ask_for_makes_it_no_safer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    machine = read(
        changed(lambda a: a.update({"/api/authentication_mode": {"authentication_mode": "disabled"}}))
    )
    assert any("without a token" in warning for warning in machine.warnings)


def test_nobody_there_is_said() -> None:
    with serving(TWO) as port:
        pass
    with pytest.raises(EngineMissing, match="No Ray cluster answers"):
        read_cluster(dashboard(f"ray://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ray://8.8.8.8", RefusedError),
        ("ray://[::ffff:8.8.8.8]", RefusedError),
        ("ray://169.254.169.254", RefusedError),
        ("ray://127.0.0.1:6379", UsageError),
        ("ray://", UsageError),
        ("ray://user:secret@127.0.0.1", UsageError),
        ("ray://127.0.0.1:99999", UsageError),
    ],
)
def test_addresses_that_are_not_asked(text: str, error: type[LaunchpadError]) -> None:
    with pytest.raises(error):
        dashboard(text)


def test_a_public_address_needs_consent_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHPAD_PUBLIC_CLUSTER", "yes")
    assert dashboard("ray://8.8.8.8").public
    assert not dashboard("ray://10.1.2.3").public


def test_ray_alone_is_this_machines_or_the_one_of_rays_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    assert is_ray("ray") and is_ray("RAY://x") and not is_ray("raspberry pi 5")
    assert dashboard("ray").url == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://10.0.0.9:8266")
    assert dashboard("ray").url == "http://10.0.0.9:8266"
