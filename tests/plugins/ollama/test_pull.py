"""Pulls through Ollama, from recorded streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from launchpad.errors import (
    DiskFull,
    LaunchpadError,
    PullError,
    RefusedError,
    SourceUnreachable,
    UnknownModel,
    VerifyError,
)
from launchpad.events import Event, Notice, PullFinished, PullProgress, PullStarted
from launchpad.plugins import Build, ModelFile
from launchpad.plugins.ollama import pull as module
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.client import Server
from launchpad.plugins.ollama.progress import Layers
from launchpad.plugins.ollama.pull import pull
from launchpad.testing.replay import Replay, in_bytes
from ollama_traffic import exchanges, only, recording, says

SMOL = Build(ref="ollama://smol:latest", format="ollama", quantization="Q4_1")
LAYER = "941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that goes 50 ms further at each look."""
    now = [0.0]

    def tick() -> float:
        now[0] += 0.05
        return now[0]

    monkeypatch.setattr(module.time, "monotonic", tick)
    yield now


def run(replay: Replay, build: Build = SMOL) -> list[Event]:
    events: list[Event] = []
    with closing(Server(Address(port=replay.port))) as server:
        pull(server, build, events.append)
    return events


def failure(name: str, index: int) -> LaunchpadError:
    with Replay(only(name, index)) as replay, pytest.raises(LaunchpadError) as caught:
        run(replay)
    error = caught.value
    assert error.exit_code in (3, 4)
    assert error.why
    assert error.hint
    assert "\n" not in error.what + error.why + error.hint
    return error


@pytest.mark.parametrize("whole", [True, False], ids=["as recorded", "bytes"])
def test_rule_19_one_progress_over_all_layers_however_the_bytes_are_cut(
    clock: list[float], whole: bool
) -> None:
    split = (lambda chunks: chunks) if whole else in_bytes
    with Replay(exchanges("pull-local", "/api/pull")[:1], split=split) as replay:
        events = run(replay)
        assert replay.asked("/api/pull") == [{"model": "smol:latest", "stream": True, "insecure": False}]
    started, finished = events[0], events[-1]
    assert isinstance(started, PullStarted)
    assert isinstance(finished, PullFinished)
    steps = [event for event in events if isinstance(event, PullProgress)]
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert all(step.size is not None and step.done <= step.size for step in steps)
    assert finished.size == max(step.size or 0 for step in steps) == 98_362_432
    assert steps[-1].done == finished.size
    assert any(step.rate for step in steps)


def test_what_was_there_counts_as_had() -> None:
    with Replay(exchanges("pull-cancel-resume", "/api/pull")[1:]) as replay:
        events = run(replay)
    assert isinstance(events[0], PullStarted)
    assert events[0].have > 1_000_000
    assert events[0].size is not None


def test_a_size_that_is_known_makes_the_bar_true_from_the_start() -> None:
    layers = Layers(1000)
    assert not layers.take({"status": "pulling manifest"})
    assert layers.take({"digest": "sha256:a", "total": 600})  # `completed` is left out where it is 0
    assert (layers.done, layers.size, layers.have) == (0, 1000, 0)
    layers.take({"digest": "sha256:a", "total": 600, "completed": 600})
    layers.take({"digest": "sha256:b", "total": 500, "completed": 100})
    assert (layers.done, layers.size, layers.have) == (700, 1100, 100)


@pytest.mark.parametrize(
    ("name", "index", "kind", "what"),
    [
        ("pull-errors", 0, UnknownModel, "has no model"),
        ("pull-errors", 1, PullError, "plain HTTP"),
        ("pull-errors", 2, SourceUnreachable, "cannot reach the registry"),
        ("pull-errors", 3, SourceUnreachable, "cannot reach the registry"),
        ("pull-errors", 4, SourceUnreachable, "cannot reach the registry"),
        ("pull-errors", 5, UnknownModel, "not a name that Ollama accepts"),
        ("pull-digest-mismatch", 0, VerifyError, "damaged"),
        ("pull-no-redirect", 0, PullError, "in a way that Ollama cannot follow"),
        ("pull-registry-gone", 0, PullError, "went away"),
        ("pull-restart", 0, PullError, "went away"),
        ("disk-full", 1, DiskFull, "disk of the Ollama server is full"),
        ("disk-full", 2, DiskFull, "disk of the Ollama server is full"),
        ("pull-too-new", 0, PullError, "needs a newer Ollama"),
        ("pull-too-new", 1, PullError, "needs a newer Ollama"),
    ],
)
def test_rule_8_an_error_after_200_is_an_error(name: str, index: int, kind: type, what: str) -> None:
    error = failure(name, index)
    assert type(error) is kind
    assert what in error.what


def test_a_stream_that_ends_without_success_is_cut() -> None:
    with (
        Replay([says("/api/pull", [{"status": "pulling manifest"}])]) as replay,
        pytest.raises(PullError) as cut,
    ):
        run(replay)
    assert (cut.value.retryable, "cut" in cut.value.what) == (True, True)


def test_a_stall_is_said_once(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL", 1.0)
    chunks = recording("pull-registry-gone")["exchanges"][0]["response"]
    with (
        Replay([{"request": {"method": "POST", "path": "/api/pull"}, "response": chunks}]) as replay,
        pytest.raises(PullError),
    ):
        events: list[Event] = []
        with closing(Server(Address(port=replay.port))) as server:
            pull(server, SMOL, events.append)
    assert len([event for event in events if isinstance(event, Notice)]) == 1


def test_the_cloud_is_never_asked() -> None:
    build = Build(ref="ollama://gpt-oss:120b-cloud", format="ollama", quantization="?")
    with Replay([]) as replay:
        with pytest.raises(RefusedError, match="cloud"):
            run(replay, build)
        assert replay.requests == []


@pytest.mark.parametrize("sha256", [LAYER, "0" * 64])
def test_what_the_catalog_pins_must_have_come(sha256: str) -> None:
    build = Build(
        ref="hf://org/r@abc:Q4_1", format="gguf", quantization="Q4_1",
        files=(ModelFile(path="r-Q4_1.gguf", sha256=sha256),),
    )  # fmt: skip
    with Replay(exchanges("pull-local", "/api/pull")[:1]) as replay:
        if sha256 == LAYER:
            assert isinstance(run(replay, build)[-1], PullFinished)
        else:
            with pytest.raises(VerifyError, match="not the file that the catalog pins"):
                run(replay, build)
        assert replay.asked("/api/pull")[0]["model"] == "hf.co/org/r:Q4_1"


def test_no_server() -> None:
    with Replay([]) as replay:
        port = replay.port
    with pytest.raises(PullError, match="went away"), closing(Server(Address(port=port))) as server:
        pull(server, SMOL, lambda _: None)
