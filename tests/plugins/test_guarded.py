"""What stands in for a plugin's objects: absent rather than broken, and never silent about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad.catalog.model import Build, Model
from launchpad.errors import EngineError, LaunchError, PullError
from launchpad.events import Notice, ignore
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import Machine, ProbeResult
from launchpad.plan import StartStep
from launchpad.plugins.host import Host
from launchpad.wish import Wish

BUILD = Build(ref="source://x", format="gguf", quantization="Q4")
MODEL = Model(id="a/b", name="B", lab="A", lab_id="a", builds=(BUILD,))
FIT = Fit(
    model_id="a/b",
    build=BUILD.ref,
    backend="backend",
    settings=Settings(context=1),
    placement=Placement(kind="cpu"),
    devices=(),
    verdict="fits",
)
START = StartStep(
    backend="backend",
    model_id="a/b",
    model_name="B",
    build=BUILD.ref,
    model_path=None,
    settings=Settings(context=1),
    arguments={},
    fit=FIT,
)
MACHINE = Machine(name="simulated")

# One broken body for every method that can be asked: wrong type, exception, exit, endless answer.
BROKEN = ["return 7", "raise ValueError('boom')", "raise SystemExit", "raise KeyboardInterrupt"]
Broken = Callable[[str, str], Host]


@pytest.fixture
def broken(make_host: Callable[..., Host], write_plugin: Callable[[str, str], Path]) -> Broken:
    """A host with one plugin whose `Class.method` has the given body."""

    def make(method: str, body: str) -> Host:
        kind, name, arguments = method.split(" ", 2)
        write_plugin(
            "bad",
            f"""
class Bad({kind}):
    def {name}({arguments}): {body}
@hookimpl
def launchpad_probes(): return [Bad()] if {kind!r} == "Probe" else []
@hookimpl
def launchpad_catalogs(): return [Bad()] if {kind!r} == "Catalog_" else []
@hookimpl
def launchpad_sources(): return [Bad()] if {kind!r} == "Source" else []
@hookimpl
def launchpad_backends(): return [Bad()] if {kind!r} == "Backend_" else []
""",
        )
        return make_host(timeout=5.0)

    return make


def mine(things: Any) -> Any:
    (thing,) = [thing for thing in things if thing.plugin.name == "bad"]
    return thing


def one_failure(host: Host, stage: str) -> None:
    (failure,) = host.failures
    assert (failure.plugin, failure.stage) == ("bad", stage)
    assert "\n" not in failure.line


@pytest.mark.parametrize("body", [*BROKEN, "return ProbeResult(warnings=('\\x1b',))"])
def test_probe(broken: Broken, body: str) -> None:
    host = broken("Probe probe self", body)
    result = mine(host.probes()).probe()
    assert isinstance(result, ProbeResult)
    assert result.warnings[0].startswith("The probe probe failed")
    one_failure(host, "probe.probe")


@pytest.mark.parametrize("body", [*BROKEN, "return [7]", "import itertools; return itertools.repeat(7)"])
def test_catalog(broken: Broken, body: str) -> None:
    host = broken("Catalog_ models self", body)
    catalog = mine(host.catalogs())
    assert catalog.models() == ()
    assert catalog.models() == ()
    assert catalog.date == "2026-11-01"
    one_failure(host, "catalog.models")


@pytest.mark.parametrize("body", BROKEN)
def test_source_reachable(broken: Broken, body: str) -> None:
    host = broken("Source reachable self,timeout", body)
    answer = host.source("source").reachable(1.0)
    assert not answer.ok
    assert answer.why
    one_failure(host, "source.reachable")


@pytest.mark.parametrize(
    "body", [*BROKEN, "return Resolved(ref=1, folder='', revision='', files=(), entry='', build=build)"]
)
def test_source_resolve(broken: Broken, body: str) -> None:
    host = broken("Source resolve self,build", body)
    with pytest.raises(PullError, match="cannot be looked up") as caught:
        host.source("source").resolve(BUILD)
    assert "bad failed" in str(caught.value.why)
    one_failure(host, "source.resolve")


@pytest.mark.parametrize(
    "body", [*BROKEN, "return [3]", "return [Build(ref='x', format='gguf', quantization='q', size='1')]"]
)
def test_source_builds(broken: Broken, body: str) -> None:
    host = broken("Source builds self,ref", body)
    with pytest.raises(PullError, match="cannot be looked up"):
        host.source("source").builds("source://x")
    one_failure(host, "source.builds")


def test_a_source_that_lists_no_builds_has_none(broken: Broken) -> None:
    host = broken("Source unused self", "return 7")
    assert tuple(host.source("source").builds("source://x")) == ()
    assert host.failures == ()


def test_a_sources_own_error_reaches_the_user_as_it_is(broken: Broken) -> None:
    host = broken(
        "Source resolve self,build", "from launchpad.plugins import SourceUnreachable as S; raise S('down')"
    )
    with pytest.raises(PullError, match="down") as caught:
        host.source("source").resolve(BUILD)
    assert caught.value.code == "source-unreachable"
    assert host.failures == ()


@pytest.mark.parametrize(
    "body", [*BROKEN, "return [LocalModel(ref='x', path='/x', size=-1, format='gguf', owner='x')]"]
)
@pytest.mark.parametrize("kind", ["Source", "Backend_"])
def test_local(broken: Broken, kind: str, body: str) -> None:
    host = broken(f"{kind} local self", body)
    thing = mine(host.sources() if kind == "Source" else host.backends())
    assert thing.local() == ()
    one_failure(host, f"{thing.name}.local")


@pytest.mark.parametrize("body", [*BROKEN, "return BackendStatus(state='fine')"])
def test_backend_status(broken: Broken, body: str) -> None:
    host = broken("Backend_ status self,machine", body)
    status = host.backend("backend").status(MACHINE)
    assert status.state == "unusable"
    assert status.why
    one_failure(host, "backend.status")


@pytest.mark.parametrize("body", BROKEN)
def test_backend_builds(broken: Broken, body: str) -> None:
    host = broken("Backend_ builds self,model", body)
    assert host.backend("backend").builds(MODEL) == ()
    one_failure(host, "backend.builds")


@pytest.mark.parametrize("body", BROKEN)
def test_backend_fit_fails_once_for_many_models(broken: Broken, body: str) -> None:
    host = broken("Backend_ fit self,model,build,machine,wish,layout", body)
    for _ in range(3):
        assert host.backend("backend").fit(MODEL, BUILD, MACHINE, Wish()) is None
    one_failure(host, "backend.fit")


@pytest.mark.parametrize("body", [*BROKEN, "return {'a': None}"])
def test_backend_arguments(broken: Broken, body: str) -> None:
    host = broken("Backend_ arguments self,fit", body)
    with pytest.raises(EngineError, match="cannot say how it is started"):
        host.backend("backend").arguments(FIT)
    one_failure(host, "backend.arguments")


@pytest.mark.parametrize("body", ["return 7", "raise ValueError('boom')", "raise SystemExit", "return None"])
def test_backend_launch(broken: Broken, body: str) -> None:
    host = broken("Backend_ launch self,start,report", body)
    with pytest.raises(LaunchError, match="could not start"):
        host.backend("backend").launch(START, ignore)
    one_failure(host, "backend.launch")


def test_ctrl_c_in_a_launch_is_the_users(broken: Broken) -> None:
    host = broken("Backend_ launch self,start,report", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        host.backend("backend").launch(START, ignore)


def test_a_launch_reports_and_may_take_longer_than_the_limit(broken: Broken) -> None:
    body = "report(__import__('launchpad.plugins', fromlist=['x']).Notice(message='loading')); raise LaunchError('done')"
    host = broken("Backend_ launch self,start,report", body)
    seen: list[object] = []
    with pytest.raises(LaunchError, match="done"):
        host.backend("backend").launch(START, seen.append)
    assert seen == [Notice(message="loading")]


SERVER = """
from launchpad.plugins import EngineReport, Server, Settings
class Handle:
    def __init__(self):
        self.server = Server(id="i", backend="backend", endpoint="http://127.0.0.1:1/v1", api_key="k", pid=7, model="m",
                             settings=Settings(context=1), report=EngineReport(engine="e"))
    def alive(self): {alive}
    def log_tail(self, lines=20): {log_tail}
    def stop(self): {stop}
class Mine(Backend_):
    def launch(self, start, report): return Handle()
@hookimpl
def launchpad_backends(): return [Mine()]
"""


def test_a_good_handle_works(
    make_host: Callable[..., Host], write_plugin: Callable[[str, str], Path]
) -> None:
    write_plugin("bad", SERVER.format(alive="return True", log_tail="return ['a', 'b']", stop="pass"))
    host = make_host()
    handle = host.backend("backend").launch(START, ignore)
    assert handle.server.pid == 7
    assert handle.alive()
    assert handle.log_tail(1) == ("b",)
    handle.stop()
    assert host.failures == ()


def test_a_broken_handle_says_that_the_engine_may_be_there(
    make_host: Callable[..., Host], write_plugin: Callable[[str, str], Path]
) -> None:
    write_plugin("bad", SERVER.format(alive="1 / 0", log_tail="return 7", stop="raise SystemExit"))
    handle = make_host().backend("backend").launch(START, ignore)
    assert not handle.alive()
    with pytest.raises(EngineError, match=r"may still be running \(pid 7\)"):
        handle.stop()
    assert handle.log_tail() == ()
