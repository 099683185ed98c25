"""vLLM on a Ray cluster, from the look at its nodes to the end. vLLM, Ray and dashboard are simulated; what is between is real."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from launchpad.errors import EngineCrashed, LaunchError, UsageError
from launchpad.events import EngineLoading, Event, ignore
from launchpad.fit.result import Placement
from launchpad.plan import StartStep
from launchpad.plugins.vllm.ray import engine_of, launch_on_ray
from launchpad.testing.processes import engine_processes, eventually
from ray_facts import TWO, Jobs, serving
from vllm_facts import environment, step

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="vLLM runs on Linux")
HERE = Path(__file__).parent


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_home: Path) -> Iterator[Jobs]:
    """A cluster whose Python, the first on the PATH, has the simulated vLLM and Ray; nothing of an engine is left afterwards."""
    python = environment(tmp_path / "env")
    packages = next((tmp_path / "env").glob("lib/python3*/site-packages"))
    (packages / "ray" / "util").mkdir(parents=True)
    shutil.copy(HERE / "fake_ray.py", packages / "ray" / "__init__.py")
    (packages / "ray" / "util" / "__init__.py").write_text("def get_node_ip_address(): return '127.0.0.1'\n")
    strategy = "class NodeAffinitySchedulingStrategy:\n    def __init__(self, *_, **__): pass\n"
    (packages / "ray" / "util" / "scheduling_strategies.py").write_text(strategy)
    (packages / "ray-2.60.0.dist-info").mkdir()
    (packages / "ray-2.60.0.dist-info" / "METADATA").write_text("Name: ray\nVersion: 2.60.0\n")
    monkeypatch.setenv("PATH", f"{python.parent}:/usr/bin:/bin")
    (tmp_path / "jobs").mkdir()
    yield Jobs(tmp_path / "jobs")
    eventually(lambda: not engine_processes(private_home), seconds=30)


@pytest.fixture
def cluster(jobs: Jobs) -> Iterator[str]:
    """The address of its dashboard."""
    none = {"data": {"result": {"result": []}}}
    with serving({**TWO, "/api/v0/actors": none}, jobs=jobs) as port:
        yield f"http://127.0.0.1:{port}"


def on_two_nodes(folder: Path, cluster: str) -> StartStep:
    start = step(folder)
    where = Placement(kind="gpu", devices=("nvidia:0", "10.0.0.2/nvidia:0"), pipeline_parallel=2)
    return replace(start, cluster=cluster, fit=replace(start.fit, placement=where))


def test_it_answers_and_leaves_nothing(cluster: str, jobs: Jobs, model_folder: Path) -> None:
    events: list[Event] = []
    with launch_on_ray(on_two_nodes(model_folder, cluster), events.append) as running:
        assert running.alive()
        assert running.server.report.engine == "vLLM 0.32.0+cpu (Ray, 2 nodes)"
        assert running.server.endpoint.startswith("http://127.0.0.1:")
        assert running.server.api_key not in json.dumps(jobs.submitted)
        assert "Loading weights took" in running.process.log.text()
    details = [one.detail for one in events if isinstance(one, EngineLoading)]
    assert details[0] == "looking at the nodes"
    eventually(lambda: not jobs.submitted, seconds=30)


def test_a_model_that_no_node_has_is_told_before_anything_starts(
    cluster: str, jobs: Jobs, model_folder: Path
) -> None:
    (model_folder / "model.safetensors").unlink()
    (model_folder / "other.safetensors").touch()  # what is here, and on the nodes something else
    start = on_two_nodes(model_folder, cluster)
    shutil.move(model_folder / "config.json", model_folder / "config.bak")
    start = replace(start, model_path=None, build="hf://org/tiny@" + "a" * 40)
    with pytest.raises(LaunchError, match=r"Tiny is not on node 10\.0\.0\.1") as missing:
        launch_on_ray(start, ignore)
    ray = cluster.replace("http", "ray")
    assert missing.value.hint == f"Bring it there: launchpad pull hf://org/tiny@{'a' * 40} --on {ray}"
    assert not any(name.startswith("launchpad-run-") for name in jobs.submitted)


def test_what_stops_vllm_there_is_explained_as_here(
    cluster: str, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = tmp_path / "cause"
    cause.write_text(
        "ValueError: Total number of attention heads (9) must be divisible by tensor parallel size (2)."
    )
    monkeypatch.setenv("FAKE_VLLM_LOG", str(cause))
    with pytest.raises(EngineCrashed) as crash:
        launch_on_ray(on_two_nodes(model_folder, cluster), ignore)
    assert crash.value.why == "9 attention heads cannot be shared out over 2 GPUs."


def test_one_that_answers_without_its_key_is_stopped(
    cluster: str, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "keyless")
    with pytest.raises(LaunchError, match="answers without the key"):
        launch_on_ray(on_two_nodes(model_folder, cluster), ignore)


def test_a_repository_is_named_with_its_revision_and_nothing_else_will_do(
    cluster: str, model_folder: Path
) -> None:
    start = replace(on_two_nodes(model_folder, cluster), model_path=None)
    engine = engine_of(replace(start, build="hf://org/tiny@main:bf16"), "key", ignore)
    assert (engine.repository, engine.revision, engine.gpus) == ("org/tiny", "main", 2)
    words = " ".join(engine.settings["words"])
    assert words.startswith("org/tiny --revision main ")
    assert "--distributed-executor-backend ray" in words
    with pytest.raises(UsageError, match="cannot be started on a cluster"):
        engine_of(replace(start, build="modelscope://org/tiny"), "key", ignore)
