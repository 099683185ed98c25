"""The order of the deeds, with recorded effects instead of a network and an engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from factories import candidate, local
from launchpad.choose import Availability, choose
from launchpad.engines.server import EngineBuffers, EngineReport, Server
from launchpad.errors import BadModelFile, EngineError, LaunchError
from launchpad.events import EngineReady, Notice
from launchpad.fit.result import Settings
from launchpad.hardware.machine import Machine
from launchpad.plan import make_plan
from launchpad.run import execute, summarize
from launchpad.wish import Wish


@dataclass
class RecordedServer:
    """A server that only remembers that it was stopped."""

    report: EngineReport
    stopped: bool = False

    @property
    def server(self):
        return Server(
            id="1",
            backend="b",
            endpoint="",
            api_key="",
            pid=1,
            model="m",
            settings=Settings(context=1),
            report=self.report,
        )

    def stop(self):
        self.stopped = True


@dataclass
class RecordedEffects:
    """Remembers what it was asked to do and fails where told to."""

    report: EngineReport = field(default_factory=lambda: EngineReport(engine="e", context=4096, gpu_layers=0))
    fail: dict[str, Exception] = field(default_factory=dict)
    deeds: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.server = RecordedServer(self.report)

    def _do(self, name, detail):
        self.deeds.append(f"{name} {detail}")
        if name in self.fail:
            raise self.fail[name]

    def pull(self, step, report):
        self._do("pull", step.build.ref)
        return local("m")

    def verify(self, path):
        self._do("verify", path)

    def launch(self, start, report):
        self._do("launch", start.model_path)
        return self.server


def plan(*, here: bool = False, kind: str = "cpu", require_gpu: bool = False):
    availability = Availability(obtainable=True, local=local("m") if here else None)
    wish = Wish(require_gpu=require_gpu)
    choice = choose([candidate("m", kind=kind, availability=availability)], wish)
    return make_plan(Machine(name="test"), wish, choice, lambda fit: {})


def test_pull_then_verify_then_launch():
    effects, events = RecordedEffects(), []
    server = execute(plan(), effects, events.append)
    assert effects.deeds == ["pull hf://org/m:Q4_K_M", "verify /models/m.gguf", "launch /models/m.gguf"]
    assert not server.stopped
    assert [type(e) for e in events] == [EngineReady]


def test_nothing_is_pulled_when_it_is_here():
    effects = RecordedEffects()
    execute(plan(here=True), effects, lambda event: None)
    assert effects.deeds == ["verify /models/m.gguf", "launch /models/m.gguf"]


def test_a_bad_file_never_reaches_an_engine():
    effects = RecordedEffects(fail={"verify": BadModelFile("bad")})
    with pytest.raises(BadModelFile):
        execute(plan(here=True), effects, lambda event: None)
    assert effects.deeds == ["verify /models/m.gguf"]


def test_a_failed_launch_is_passed_on():
    effects = RecordedEffects(fail={"launch": LaunchError("no")})
    with pytest.raises(LaunchError):
        execute(plan(here=True), effects, lambda event: None)


@pytest.mark.parametrize("layers", [0, None])
def test_require_gpu_stops_an_engine_that_runs_on_the_cpu(layers):
    effects = RecordedEffects(report=EngineReport(engine="e", gpu_layers=layers))
    with pytest.raises(EngineError, match="forbids"):
        execute(plan(kind="gpu", require_gpu=True), effects, lambda event: None)
    assert effects.server.stopped


def test_cpu_where_a_gpu_was_planned_is_said_aloud():
    effects, events = RecordedEffects(), []
    execute(plan(kind="gpu"), effects, events.append)
    assert any(isinstance(e, Notice) and "GPU was planned" in e.message for e in events)


def test_a_smaller_context_is_said_aloud():
    effects, events = RecordedEffects(report=EngineReport(engine="e", context=1024, gpu_layers=0)), []
    execute(plan(), effects, events.append)
    assert any(isinstance(e, Notice) and "1,024" in e.message for e in events)


def test_one_line_says_what_the_engine_did():
    did = EngineReport(
        engine="llama.cpp b1",
        context=8192,
        threads=2,
        gpu_layers=0,
        buffers=(EngineBuffers(device="CPU", model=100 << 20, context=20 << 20, compute=10 << 20),),
        load_seconds=0.44,
    )
    line = summarize("Model", did)
    assert line == (
        "Model · CPU, 2 threads · context 8,192 · MiB: 100 weights + 20 context + 10 compute · loaded in 0.4 s · llama.cpp b1"
    )
    assert "GPU 29/29 layers" in summarize("M", EngineReport(engine="e", gpu_layers=29, layers=29))
