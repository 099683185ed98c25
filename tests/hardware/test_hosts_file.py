"""Files that name hosts, or a live cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import UsageError
from launchpad.hardware.machine_file import parse_machine, read_machine
from ray_facts import TWO, serving

HOST = {"address": "10.0.0.1", "gpus": "8x H100 80GB", "memory": "2TB"}


def parsed(*hosts: Any, **more: Any) -> Any:
    return parse_machine({"hosts": list(hosts), **more}, Path("hosts.toml"))


def test_hosts_are_a_cluster_with_addresses() -> None:
    machine = parsed(HOST, {**HOST, "address": "10.0.0.2"}, interconnect="50GB/s")
    assert machine.cluster is not None
    assert [node.address for node in machine.cluster.nodes] == ["10.0.0.1", "10.0.0.2"]
    assert machine.cluster.interconnect == 50e9
    assert machine.memory.total == 2 << 40
    assert machine.simulated


def test_memory_may_be_left_out() -> None:
    machine = parsed({"address": "fd00::1", "gpus": "2x RTX 3090"})
    assert machine.cluster is not None
    assert machine.cluster.nodes[0].address == "fd00::1"
    assert len(machine.accelerators) == 2


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ([], "hosts must be written as [[hosts]]"),
        ([{**HOST, "address": "node1"}], "hosts.0.address must be an IP address"),
        ([{**HOST, "address": "10.0.0.1; reboot"}], "hosts.0.address must be an IP address"),
        ([{"gpus": "RTX 3090"}], "hosts.0.address is missing"),
        ([{"address": "10.0.0.1"}], "hosts.0.gpus is missing"),
        ([HOST, HOST], "hosts.1.address is that of another host"),
        ([{**HOST, "gpus": "32GB"}], "hosts.0.gpus must name the GPUs of one host"),
        ([{**HOST, "gpus": "2 nodes of RTX 3090"}], "hosts.0.gpus must name the GPUs of one host"),
        ([{**HOST, "gpu": "RTX 3090"}], "there is no key 'hosts.0.gpu'"),
        ([{**HOST, "memory": "much"}], "hosts.0.memory must be a size"),
        ([HOST] * 65, "hosts are more than 64"),
        (["10.0.0.1"], "hosts.0 must be a table"),
    ],
)
def test_mistakes_are_named_with_their_key(hosts: list[Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(*hosts)
    assert says in str(caught.value)
    assert caught.value.hint


def test_a_file_names_a_live_cluster_and_adds_what_ray_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    with serving(TWO) as port:
        path.write_text(f'name = "rack 7"\ninterconnect = "50GB/s"\nray = "ray://127.0.0.1:{port}"\n')
        machine = read_machine(path)
    assert machine.name == "rack 7"
    assert machine.cluster is not None
    assert machine.cluster.live == f"http://127.0.0.1:{port}"
    assert machine.cluster.interconnect == 50e9


def test_what_is_no_live_cluster_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text('ray = "10.0.0.1"\n')
    with pytest.raises(UsageError, match="ray must be"):
        read_machine(path)
