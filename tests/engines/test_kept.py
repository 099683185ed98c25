"""Engines that outlive the process that started them: the keeper, by real processes of the simulated engine."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engines.conftest import Keep, facts
from launchpad.doctor.software import processes
from launchpad.engines import kept, registry, stopping, use
from launchpad.engines.listing import engines, matching
from launchpad.engines.probing import answers
from launchpad.engines.process import EngineProcess
from launchpad.engines.ray.entry import failed
from launchpad.engines.state import State
from launchpad.errors import EngineError
from launchpad.testing.processes import KEY, engine_processes, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreaper and /proc are Linux's")


def gone(home: Path, seconds: float = 2.0) -> None:
    eventually(lambda: not engine_processes(home), seconds)


def test_it_outlives_its_launcher_and_unloads_when_nobody_uses_it(
    launcher: Callable[[str], subprocess.Popen[str]], private_home: Path
) -> None:
    program = (
        "import sys; sys.path[:0] = ['tests', 'tests/engines']\n"
        "from launchpad.engines import kept\n"
        "from launchpad.engines.process import EngineProcess\n"
        "from launchpad.testing.processes import fake_command\n"
        "from engines.conftest import facts\n"
        "engine = EngineProcess.start(fake_command('--workers', '3'))\n"
        "engine.await_ready(engine.ready_message)\n"
        "kept.keep(facts(engine), b'{}', 0.5)\n"
        "print('kept', flush=True); import time; time.sleep(60)"
    )
    process = launcher(program)
    record = next(kept.usable())
    handle = kept.attach(record.token)
    assert handle is not None
    process.kill()
    process.wait()
    assert answers(handle.server)
    threading.Event().wait(1.0)  # longer than its idle time: who is attached keeps it loaded
    assert handle.alive()
    handle.stop()
    gone(private_home, 5.0)
    assert not list(registry.run_dir().iterdir())


def test_nobody_attaches_to_an_engine_that_is_about_to_go(keep: Keep) -> None:
    handle = keep()
    token = handle.record.token
    assert use.take(token, "attached", alone=True) is None  # the keeper cannot claim what is attached
    handle.stop()
    claim = use.take(token, "attached", alone=True)
    assert claim is not None
    assert kept.attach(token) is None
    os.close(claim)
    again = kept.attach(token)
    assert again is not None
    again.stop()


def test_work_that_others_give_it_keeps_it_loaded(keep: Keep, private_home: Path) -> None:
    handle = keep("--burn", idle=0.6)
    handle.stop()
    threading.Event().wait(1.5)
    assert handle.alive()
    os.kill(handle.record.engine.pid, 10)  # SIGUSR1: it stops burning
    gone(private_home, 5.0)


@pytest.mark.parametrize("victim", ["launchpad.engines.keeper", "guard.py", "launchpad.testing.fake_engine"])
def test_whoever_is_killed_nothing_is_left(keep: Keep, private_home: Path, victim: str) -> None:
    keep("--workers", "3", "--ignore-term").stop()
    eventually(
        lambda: len(engine_processes(private_home)) == 7
    )  # keeper, guard and witness, engine, three workers
    for pid in engine_processes(private_home):
        process = psutil.Process(pid)
        if victim in " ".join(process.cmdline()) and process.ppid() not in engine_processes(private_home)[2:]:
            process.kill()
            break
    gone(private_home)
    assert next(kept.usable(), None) is None


def test_keeper_and_guard_killed_at_once_leave_nothing(keep: Keep, private_home: Path) -> None:
    record = keep("--workers", "3", "--ignore-term").record
    assert record.guard is not None
    os.kill(record.launcher.pid, 19)  # stopped, so that it cannot sweep between the two
    os.kill(record.guard.pid, 9)
    os.kill(record.launcher.pid, 9)
    gone(private_home)


def test_keeper_guard_and_witness_killed_at_once_then_the_next_start_is_clean(
    keep: Keep, private_home: Path
) -> None:
    record = keep("--workers", "3").record
    assert record.guard is not None
    os.kill(record.launcher.pid, 19)  # stopped, so that it cannot sweep between them
    guard = psutil.Process(record.guard.pid)
    next(child for child in guard.children() if child.cmdline() == guard.cmdline()).kill()
    os.kill(record.guard.pid, 9)
    os.kill(record.launcher.pid, 9)
    eventually(lambda: len(engine_processes(private_home)) == 3)
    assert [view.state for view in engines()] == ["orphaned"]
    check = next(processes())
    assert (check.name, check.state) == ("orphaned processes", "fail")
    assert (check.fix or "").startswith("launchpad stop ")
    assert [left.token for left in registry.sweep()] == [record.token]
    assert not engine_processes(private_home)


def test_how_it_died_is_kept_for_who_asks(keep: Keep, private_home: Path) -> None:
    handle = keep()
    assert handle.record.engine is not None
    os.kill(handle.record.engine.pid, 11)
    gone(private_home)
    assert eventually(handle.ended) == "signal SIGSEGV (a memory access fault in the engine)"
    assert not handle.alive()
    view = engines()[0]
    assert (view.state, view.ended) == ("failed", handle.ended())


def test_only_the_user_can_read_the_key_and_it_is_in_one_file_alone(keep: Keep, private_home: Path) -> None:
    token = keep().record.token
    assert stat.S_IMODE(registry.run_dir().stat().st_mode) == 0o700
    server = registry.run_dir() / f"{token}.server"
    assert KEY in server.read_text()
    assert stat.S_IMODE(server.stat().st_mode) == 0o600
    assert not any(KEY in path.read_text() for path in registry.run_dir().iterdir() if path != server)
    for pid in engine_processes(private_home):
        process = psutil.Process(pid)
        assert KEY not in " ".join([*process.cmdline(), *process.environ().values()])


def test_what_is_seen_of_it(keep: Keep) -> None:
    handle = keep(idle=600.0)
    view = engines()[0]
    assert (view.state, view.kept, view.attached, view.unloads_in) == ("ready", True, True, None)
    with use.working(handle.record.token):
        assert engines()[0].state == "busy"
    handle.stop()
    view = engines()[0]
    assert (view.state, view.attached) == ("ready", False)
    assert 590 < (view.unloads_in or 0) <= 600
    assert (view.memory or 0) > 1 << 20
    assert matching([view], view.id[:4]) == matching([view], "NOTHING") == matching([view], "oth") == [view]
    assert matching([view], view.id[:3]) == matching([view], "else") == []


def test_a_deaf_engine_is_stopped_too(keep: Keep, private_home: Path) -> None:
    record = keep("--workers", "3", "--ignore-term").record
    assert stopping.stop(record)
    assert not engine_processes(private_home)
    assert not list(registry.run_dir().iterdir())


def test_the_engine_of_another_process_is_not_ours_to_keep(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    server = facts(engine)
    engine.stop()
    assert kept.keep(server, b"{}", None) is None


def test_an_engine_that_dies_before_it_is_handed_over(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    assert engine.pid is not None
    server = facts(engine)
    os.kill(engine.pid, 9)
    with pytest.raises(EngineError):
        kept.keep(server, b"{}", None)
    eventually(lambda: engine.state is State.FAILED)


def test_an_engine_without_an_answer_is_not_well(keep: Keep) -> None:
    server = keep("--sse", "silent").server
    assert answers(server)
    os.kill(server.pid, 19)
    assert not answers(server, 0.2)
    os.kill(server.pid, 18)


def test_nobody_attaches_to_one_whose_cluster_has_failed_it(keep: Keep) -> None:
    handle = keep()
    with (registry.log_dir() / f"{handle.record.token}.log").open("a") as log:
        log.write(failed("A node has left the Ray cluster: 10.0.0.2.", None, None) + "\n")
    assert not handle.alive()
    assert "10.0.0.2" in (handle.ended() or "")
    assert kept.attach(handle.record.token) is None
    assert not list(kept.usable())
    begin = time.monotonic()
    ending = threading.Timer(0.5, stopping.stop, (handle.record,))
    ending.start()
    assert kept.await_lost()
    assert time.monotonic() - begin >= 0.4  # what it holds of the cluster is free only when it is gone
    ending.join()
    assert not kept.await_lost()
