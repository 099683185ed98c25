"""Several machines as one: described in words or in a file, each fact about the head its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import UsageError
from launchpad.hardware.cluster import MOST_NODES
from launchpad.hardware.simulate import simulate


@pytest.mark.parametrize(
    "text",
    [
        "2 nodes of 8x H100 80GB + 2TB",
        "2 machines with 8x H100 80GB + 2TB",
        "2x nodes of 8x H100 80GB + 2TB",
        "2 servers of 8x H100 80GB with 2TB RAM",
    ],
)
def test_words_make_a_cluster_of_equal_nodes(text: str) -> None:
    machine, one = simulate(text), simulate("8x H100 80GB + 2TB")
    assert machine.cluster is not None
    assert [node.name for node in machine.cluster.nodes] == ["node-1", "node-2"]
    assert {len(node.accelerators) for node in machine.cluster.nodes} == {8}
    assert (machine.name, machine.simulated) == (text, True)
    assert (machine.cpu, machine.memory, machine.accelerators) == (one.cpu, one.memory, one.accelerators)
    assert machine.cluster.interconnect is None


def test_the_network_between_nodes_can_be_said() -> None:
    machine = simulate("3 nodes of RTX 4090 + 64GB over 12.5 GB/s")
    assert machine.cluster is not None
    assert (len(machine.cluster.nodes), machine.cluster.interconnect) == (3, 12.5e9)
    assert "cluster.interconnect" in {fact.subject for fact in machine.facts}


@pytest.mark.parametrize(
    "text",
    [
        "0 nodes of RTX 4090",
        f"{MOST_NODES + 1} nodes of RTX 4090",
        "2 nodes of",
        "2 nodes of 2 nodes of RTX 4090",
    ],
)
def test_what_is_no_cluster_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        simulate(text)


def test_a_single_machine_heads_no_cluster() -> None:
    assert simulate("2x RTX 3090").cluster is None


def written(folder: Path, text: str) -> Path:
    path = folder / "cluster.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_names_nodes_with_their_addresses(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        name = "rack 7"
        interconnect = "50GB/s"

        [[nodes]]
        address = "10.0.0.1"
        machine = "8x H100 80GB + 2TB"

        [[nodes]]
        address = "10.0.0.2"
        [nodes.memory]
        total = "1TB"
        [[nodes.accelerators]]
        device = "H100 SXM"
        count = 8
        memory_free = "70GB"
        """,
    )
    machine = simulate(path)
    assert machine.cluster is not None
    first, second = machine.cluster.nodes
    assert (machine.name, machine.memory) == ("rack 7", first.memory)
    assert (first.name, second.name, second.address) == ("10.0.0.1", "10.0.0.2", "10.0.0.2")
    assert {card.memory_free for card in second.accelerators} == {70 << 30}


def test_a_count_of_equal_nodes(tmp_path: Path) -> None:
    machine = simulate(written(tmp_path, '[[nodes]]\nmachine = "RTX 4090 + 64GB"\ncount = 4\n'))
    assert machine.cluster is not None
    assert [node.name for node in machine.cluster.nodes] == ["node-1", "node-2", "node-3", "node-4"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("nodes = []", "nodes"),
        ('nodes = "two"', "nodes"),
        ('[[nodes]]\nmachine = "RTX 4090"\naddress = "a"\ncount = 2', "nodes.0.count"),
        ('[[nodes]]\nmachine = "RTX 4090"\naddress = "a"\n' * 2, "nodes.1.address"),
        ('[[nodes]]\nmachine = "RTX 4090"\n[nodes.memory]\ntotal = "8GB"', "nodes.0.memory"),
        ('[[nodes]]\nmachine = "2 nodes of RTX 4090"', "nodes.0.machine"),
        ('[[nodes]]\nmachine = "RTX 4090"\nspeed = 1', "nodes.0.speed"),
        ('[[nodes]]\nmachine = "RTX 4090"\ncount = 64\n[[nodes]]\nmachine = "RTX 4090"', "nodes"),
        ('interconnect = "fast"\n[[nodes]]\nmachine = "RTX 4090"', "interconnect"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(written(tmp_path, text))
    assert key in caught.value.what
