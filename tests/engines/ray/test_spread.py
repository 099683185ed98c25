"""A model is brought onto every node: a real Hub client and real jobs; Hub, dashboard and Ray are simulated, and share this machine's disk."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from launchpad.catalog.model import Build
from launchpad.engines.ray.spread import spread
from launchpad.errors import PullError, RefusedError
from launchpad.events import Event, PullProgress, PullStarted, ignore
from launchpad.hardware.ray_dashboard import Dashboard, dashboard
from launchpad.plugins.huggingface.source import HuggingFace
from launchpad.plugins.spec import Resolved
from launchpad.testing.hub import Fault, SimulatedHub
from ray_facts import TWO, Jobs, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs find Ray's Python by /proc")
FAKE_RAY = Path(__file__).parents[2] / "plugins" / "vllm" / "fake_ray.py"
FILES = {"config.json": b'{"num_attention_heads": 4}', "model.safetensors": bytes(range(256)) * 40}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    """Its jobs run with this Python and a simulated Ray."""
    packages, programs = tmp_path / "packages", tmp_path / "bin"
    (packages / "ray" / "util").mkdir(parents=True)
    shutil.copy(FAKE_RAY, packages / "ray" / "__init__.py")
    (packages / "ray" / "util" / "__init__.py").touch()
    strategy = "class NodeAffinitySchedulingStrategy:\n    def __init__(self, *_, **__): pass\n"
    (packages / "ray" / "util" / "scheduling_strategies.py").write_text(strategy)
    programs.mkdir()
    (programs / "python3").write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
    (programs / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    (tmp_path / "jobs").mkdir()
    with serving(TWO, jobs=Jobs(tmp_path / "jobs")) as port:
        yield dashboard(f"http://127.0.0.1:{port}")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with SimulatedHub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.endpoint)
        found.add_model("org/tiny", FILES, in_git=("config.json",))
        yield found


def resolved() -> Resolved:
    build = Build(format="safetensors", quantization="BF16", ref="hf://org/tiny")
    return HuggingFace().resolve(build)


def test_every_node_gets_all_files_and_the_name_of_the_branch(
    cluster: Dashboard, hub: SimulatedHub, tmp_path: Path
) -> None:
    model, events = resolved(), list[Event]()
    assert spread(cluster, model, 2, events.append) == ("10.0.0.1", "10.0.0.2")
    kept = tmp_path / "hub" / "models--org--tiny"
    there = {path.name: path.read_bytes() for path in (kept / "snapshots" / model.revision).iterdir()}
    assert there == FILES
    assert (kept / "refs" / "main").read_text() == model.revision
    size = 2 * sum(map(len, FILES.values()))
    assert events[0] == PullStarted(ref=model.ref, size=size)
    assert isinstance(events[-1], PullProgress)
    assert (events[-1].done, len(events)) == (size, 5)


def test_wrong_bytes_do_not_stay_and_the_node_is_named(
    cluster: Dashboard, hub: SimulatedHub, tmp_path: Path
) -> None:
    hub.misbehave("model.safetensors", Fault(flip_at=100, times=None))
    with pytest.raises(PullError, match=r"not whole on 10\.0\.0\.1, 10\.0\.0\.2") as wrong:
        spread(cluster, resolved(), 2, ignore)
    assert "model.safetensors: its bytes are not those" in (wrong.value.why or "")
    kept = tmp_path / "hub" / "models--org--tiny"
    digest = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert not (kept / "blobs" / digest).exists()
    assert not list(kept.rglob("model.safetensors"))
    assert not (kept / "refs" / "main").exists()


def test_a_node_without_room_says_so(cluster: Dashboard, hub: SimulatedHub) -> None:
    model = resolved()
    huge = tuple(replace(one, size=1 << 60) for one in model.files)
    with pytest.raises(PullError) as full:
        spread(cluster, replace(model, files=huge), 2, ignore)
    assert "GB are needed in" in (full.value.why or "")


def test_files_that_nobody_vouches_for_are_refused(cluster: Dashboard, hub: SimulatedHub) -> None:
    model = resolved()
    unsure = tuple(replace(one, sha256=None, git_sha1=None) for one in model.files)
    with pytest.raises(RefusedError, match="not brought onto other machines"):
        spread(cluster, replace(model, files=unsure), 2, ignore)
    assert not hub.gets("model.safetensors")
