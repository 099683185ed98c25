"""`launchpad cluster emit` as a user runs it."""

from __future__ import annotations

import re

import pytest
import yaml

from deploy_facts import COMMIT
from launchpad.testing.hub import SimulatedHub

HOSTS = """\
[[hosts]]
address = "10.0.0.1"
gpus = "8x H100 80GB"
memory = "2TB"

[[hosts]]
address = "10.0.0.2"
gpus = "8x H100 80GB"
memory = "2TB"
"""


@pytest.fixture
def hosts(tmp_path):
    path = tmp_path / "hosts.toml"
    path.write_text(HOSTS)
    return str(path)


def test_scripts_for_the_hosts_of_a_file(launchpad, hosts, tmp_path):
    folder = tmp_path / "out"
    ran = launchpad(
        "cluster",
        "emit",
        "commands",
        "glm-5.2",
        "--on",
        hosts,
        "--revision",
        COMMIT,
        "-o",
        str(folder),
        "--json",
    )
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["kind"] == "manifests"
    assert [share["address"] for share in document["deployment"]["shares"]] == ["10.0.0.1", "10.0.0.2"]
    for file in document["files"]:
        assert (folder / file["name"]).read_text() == file["text"]


def test_a_manifest_on_stdout_and_what_to_do_on_stderr(launchpad):
    ran = launchpad("cluster", "emit", "lws", "qwen3-8b", "--on", "RTX 4090", "--revision", COMMIT)
    assert ran.code == 0, ran.err
    kinds = [part["kind"] for part in yaml.safe_load_all(ran.out)]
    assert kinds == ["LeaderWorkerSet", "Service", "NetworkPolicy"]
    assert "kubectl apply -f llm-qwen3-8b.lws.yaml" in ran.err


def test_without_a_revision_nothing_is_written(launchpad):
    ran = launchpad("cluster", "emit", "lws", "qwen3-8b", "--on", "RTX 4090", "--offline")
    assert (ran.code, ran.out) == (2, "")
    assert "not pinned" in ran.err
    assert "--revision COMMIT" in ran.err


def test_a_machine_without_a_gpu_is_refused(launchpad):
    ran = launchpad("cluster", "emit", "lws", "qwen3-8b", "--on", "cpu 64GB", "--revision", COMMIT)
    assert (ran.code, ran.out) == (3, "")


def test_nodes_without_addresses_get_no_commands(launchpad):
    ran = launchpad(
        "cluster",
        "emit",
        "commands",
        "glm-5.2",
        "--on",
        "2 nodes of 8x H100 80GB + 2TB",
        "--revision",
        COMMIT,
    )
    assert (ran.code, ran.out) == (2, "")
    assert "hosts.toml" in ran.err


@pytest.fixture
def hub():
    """A hub that knows the commit of the build that is planned."""
    with SimulatedHub() as running:
        yield running


@pytest.mark.parametrize("command", ["run", "serve"])
def test_run_and_serve_write_the_commands_for_hosts_and_start_nothing(launchpad, hosts, hub, command):
    hub.add_model("zai-org/GLM-5.2-FP8", {"config.json": b"{}", "model.safetensors": b"x"})
    ran = launchpad(command, "glm-5.2", "--on", hosts, env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    commit = re.search(r"--revision ([0-9a-f]{40})", ran.out)
    assert commit is not None
    assert f"is pinned to {commit[1]}, its newest revision now" in ran.err
    assert ran.out.count("exec vllm serve zai-org/GLM-5.2-FP8 ") == 2
    assert "--node-rank 1" in ran.out
    assert "Nothing was started" in ran.err


def test_other_commands_still_refuse_hosts(launchpad, hosts):
    ran = launchpad("start", "glm-5.2", "--on", hosts)
    assert (ran.code, ran.out) == (7, "")
    assert "launchpad cluster emit commands" in ran.err


def test_copies_of_a_plan_are_replicas_of_what_is_written(launchpad):
    ran = launchpad(
        *("cluster", "emit", "lws", "qwen3-8b", "--on", "4x RTX 4090", "--revision", "0" * 40, "--json"),
        env={"LAUNCHPAD_VLLM_GPUS": "4"},
    )
    assert ran.code == 0, ran.err
    found = ran.document["deployment"]
    assert (found["replicas"], len(found["shares"][0]["devices"])) == (4, 1)
    assert "data-parallel-size" not in found["arguments"]
    assert "data-parallel-size" not in ran.document["files"][0]["text"]
