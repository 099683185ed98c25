"""The order of the deeds, with recorded effects instead of a network and an engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from factories import candidate, local
from launchpad.choice.choose import Availability, choose
from launchpad.engines.server import EngineBuffers, EngineReport, Server
from launchpad.errors import BadModelFile, ClusterChanged, EngineCrashed, EngineError, LaunchError
from launchpad.events import EngineReady, Notice
from launchpad.fit.result import Confirmation, MemoryCheck, Settings
from launchpad.hardware.machine import Machine
from launchpad.launcher.readback import summarize
from launchpad.launcher.run import execute
from launchpad.plan import make_plan
from launchpad.wish import Wish


@dataclass
class RecordedServer:
    """A server that only remembers that it was stopped."""

    report: EngineReport
    stopped: bool = False
    log: tuple[str, ...] = ()

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

    def log_tail(self, lines=20):
        return self.log

    def stop(self):
        self.stopped = True


@dataclass
class RecordedEffects:
    """Remembers what it was asked to do and fails where told to."""

    report: EngineReport = field(default_factory=lambda: EngineReport(engine="e", context=4096, gpu_layers=0))
    fail: dict[str, Exception] = field(default_factory=dict)
    deeds: list[str] = field(default_factory=list)
    recovers: bool = False

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

    def watch_template(self, plan, start, did, report):
        self._do("watch template", start.model_path)

    def plan_anew(self, plan):
        self._do("plan anew", plan.start.model_id)
        if self.recovers:
            self.fail.pop("launch")
        return plan


def plan(*, here: bool = False, kind: str = "cpu", require_gpu: bool = False, context: int | None = None):
    availability = Availability(obtainable=True, local=local("m") if here else None)
    wish = Wish(require_gpu=require_gpu, context=context)
    choice = choose([candidate("m", kind=kind, availability=availability)], wish)
    return make_plan(Machine(name="test"), wish, choice, lambda fit: {})


def test_pull_then_verify_then_launch():
    effects, events = RecordedEffects(), []
    _, server = execute(plan(), effects, events.append)
    assert effects.deeds == [
        "pull hf://org/m:Q4_K_M",
        "verify /models/m.gguf",
        "launch /models/m.gguf",
        "watch template /models/m.gguf",
    ]
    assert not server.stopped
    assert [type(e) for e in events] == [EngineReady]


def test_nothing_is_pulled_when_it_is_here():
    effects = RecordedEffects()
    execute(plan(here=True), effects, lambda event: None)
    assert effects.deeds == [
        "verify /models/m.gguf",
        "launch /models/m.gguf",
        "watch template /models/m.gguf",
    ]


def test_a_bad_file_never_reaches_an_engine():
    effects = RecordedEffects(fail={"verify": BadModelFile("bad")})
    with pytest.raises(BadModelFile):
        execute(plan(here=True), effects, lambda event: None)
    assert effects.deeds == ["verify /models/m.gguf"]


def test_a_failed_launch_is_passed_on():
    effects = RecordedEffects(fail={"launch": LaunchError("no")})
    with pytest.raises(LaunchError):
        execute(plan(here=True), effects, lambda event: None)


def test_a_cluster_that_has_changed_is_planned_for_anew_once():
    lost = ClusterChanged("Node 10.0.0.2 runs no task of Ray.", why="It died.")
    effects, events = RecordedEffects(fail={"launch": lost}, recovers=True), []
    done, server = execute(plan(here=True), effects, events.append)
    assert effects.deeds[:5] == [
        "verify /models/m.gguf",
        "launch /models/m.gguf",
        "plan anew m",
        "verify /models/m.gguf",
        "launch /models/m.gguf",
    ]
    assert (done.start.model_id, server.stopped) == ("m", False)
    assert any(isinstance(e, Notice) and "10.0.0.2" in e.message for e in events)

    effects = RecordedEffects(fail={"launch": lost})
    with pytest.raises(ClusterChanged):
        execute(plan(here=True), effects, events.append)
    assert effects.deeds.count("plan anew m") == 1


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
        "Model · CPU, 2 threads · context 8,192 · CPU 100 weights + 20 context + 10 compute MiB · loaded in 0.4 s · llama.cpp b1"
    )
    assert "GPU 29/29 layers" in summarize("M", EngineReport(engine="e", gpu_layers=29, layers=29))


def test_the_cause_that_the_engine_gave_for_the_cpu_is_told():
    effects, events = RecordedEffects(), []
    effects.server.log = ("loading", "warning: no usable GPU found, --gpu-layers option will be ignored")
    execute(plan(kind="gpu"), effects, events.append)
    line = next(e.message for e in events if isinstance(e, Notice))
    assert "Cause: warning: no usable GPU found" in line
    assert "launchpad doctor" in line


def test_a_context_that_was_asked_for_is_what_there_is_or_a_refusal():
    effects = RecordedEffects(report=EngineReport(engine="e", context=1024, gpu_layers=0))
    with pytest.raises(
        EngineError, match=r"4,096 tokens of context were asked for, and the engine gives 1,024"
    ):
        execute(plan(context=4096), effects, lambda event: None)
    assert effects.server.stopped


def test_memory_beside_the_plan_in_the_line():
    did = EngineReport(
        engine="e",
        gpu_layers=20,
        layers=29,
        slots=2,
        buffers=(
            EngineBuffers(device="CUDA0", model=200 << 20, context=10 << 20),
            EngineBuffers(device="cpu", model=100 << 20),
        ),
    )

    def check(device, engine):
        return MemoryCheck(
            device=device, predicted={"weights": 150 << 20}, engine={"weights": engine}, difference=0
        )

    confirmation = Confirmation(
        engine="e", devices=(check("cuda:0", 200 << 20), check("cpu", 100 << 20)), agrees=True
    )
    line = summarize("M", did, confirmation)
    assert "GPU 20/29 layers" in line
    assert "2 slots" in line
    assert "CUDA0 200 weights + 10 context + 0 compute MiB · cpu 100 weights" in line
    assert "MiB as planned" in line
    less = replace(did, buffers=(EngineBuffers(device="CUDA0", model=270 << 20),))
    more = [check("cuda:0", 270 << 20)]
    assert (
        summarize("M", less, replace(confirmation, devices=(*more, check("cpu", 0)))).count(
            "(10% less than planned)"
        )
        == 1
    )
    assert "(80% more than planned)" in summarize("M", less, replace(confirmation, devices=(*more,)))


# -- crashes at load ------------------------------------------------------------------------------------------------


def crash(*, memory: bool = True):
    error = EngineCrashed("It could not load.", why="It ended by signal SIGKILL")
    error.memory = memory
    return error


@dataclass
class RecoveringEffects(RecordedEffects):
    """Effects that fail a number of times, and know a smaller context."""

    crashes: int = 1
    error: Exception = field(default_factory=crash)
    contexts: list[int] = field(default_factory=list)

    def launch(self, start, report):
        self.contexts.append(start.settings.context)
        if len(self.contexts) <= self.crashes:
            raise self.error
        return self.server

    def smaller(self, plan, start):
        return replace(start, settings=replace(start.settings, context=start.settings.context // 2))

    def explain(self, plan, start, crash):
        return EngineCrashed(crash.what, why="explained")


def test_a_crash_leads_to_one_more_try_with_a_smaller_context_said_aloud():
    effects, events = RecoveringEffects(report=EngineReport(engine="e")), []
    done, server = execute(plan(here=True), effects, events.append)
    first, second = effects.contexts
    assert second == first // 2
    assert done.start.settings.context == second
    assert any(
        isinstance(e, Notice) and f"once more with a context of {second:,}" in e.message for e in events
    )
    assert not server.stopped


def test_a_second_crash_is_explained():
    effects = RecoveringEffects(crashes=2)
    with pytest.raises(EngineCrashed) as caught:
        execute(plan(here=True), effects, lambda event: None)
    assert caught.value.why == "explained"
    assert len(effects.contexts) == 2


@pytest.mark.parametrize(("context", "memory"), [(4096, True), (None, False)])
def test_a_context_that_the_user_fixed_is_kept_and_other_causes_are_not_retried(context, memory):
    effects = RecoveringEffects(error=crash(memory=memory))
    with pytest.raises(EngineCrashed, match="could not load"):
        execute(plan(here=True, context=context), effects, lambda event: None)
    assert len(effects.contexts) == 1


def test_a_port_that_was_taken_is_no_reason_to_give_up():
    taken = LaunchError("It does not listen.", retryable=True)
    effects = RecoveringEffects(report=EngineReport(engine="e"), error=taken, crashes=4)
    execute(plan(here=True), effects, lambda event: None)
    assert len(set(effects.contexts)) == 1
    with pytest.raises(LaunchError):
        execute(plan(here=True), RecoveringEffects(error=taken, crashes=5), lambda event: None)


@pytest.mark.parametrize(
    ("report", "ok"),
    [
        (EngineReport(engine="e", gpu_share=1.0), True),
        (EngineReport(engine="e", gpu_share=0.5, gpu_layers=15, layers=31), False),
        (EngineReport(engine="e", gpu_share=0.0), False),
        (EngineReport(engine="e"), False),
        (EngineReport(engine="e", gpu_layers=31, layers=31), True),
    ],
)
def test_require_gpu_goes_by_the_share_where_the_engine_tells_it(report, ok):
    effects = RecordedEffects(report=report)
    made = plan(kind="gpu", require_gpu=True)
    if ok:
        assert execute(made, effects, lambda event: None)[1] is effects.server
        return
    with pytest.raises(EngineError, match="forbids"):
        execute(made, effects, lambda event: None)
    assert effects.server.stopped


@pytest.mark.parametrize(
    ("share", "said"), [(0.45, "only 45% of the model"), (0.0, "runs on the CPU"), (1.0, None)]
)
def test_less_than_was_planned_for_the_gpu_is_said(share, said):
    events = []
    execute(
        plan(kind="gpu"), RecordedEffects(report=EngineReport(engine="e", gpu_share=share)), events.append
    )
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert [said in notice for notice in notices] == ([True] if said else [])


def test_the_line_tells_the_share_where_no_layers_are_told():
    assert "GPU 45%" in summarize("M", EngineReport(engine="e", gpu_share=0.45))
    assert " CPU " in f"{summarize('M', EngineReport(engine='e', gpu_share=0.0))} "
    assert "GPU or CPU: not told" in summarize("M", EngineReport(engine="e"))


def test_what_an_engine_keeps_by_name_is_not_looked_for_as_a_file():
    effects = RecordedEffects()
    effects.pull = lambda step, report: replace(local("m"), path="", format="ollama")
    execute(plan(), effects, lambda event: None)
    assert effects.deeds == ["launch None", "watch template None"]
