"""One call at a time: its end, its errors, its prints."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable

import pytest

from launchpad.errors import PullError, SignalExit
from launchpad.plugins.isolation import CallFailed, Output, describe, isolated, uncaptured

LIMITS = pytest.mark.parametrize("limit", [None, 20.0])


def raising(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


@LIMITS
def test_a_result_comes_back(limit: float | None) -> None:
    assert isolated(lambda: 42, limit=limit, output=Output()) == 42
    assert isolated(lambda: None, limit=limit, output=Output()) is None


@LIMITS
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(2), GeneratorExit(), MemoryError()])
def test_every_exception_becomes_one(error: BaseException, limit: float | None) -> None:
    with pytest.raises(CallFailed) as caught:
        isolated(raising(error), limit=limit, output=Output())
    assert caught.value.__cause__ is error
    assert not caught.value.timed_out


@LIMITS
def test_errors_of_launchpad_pass(limit: float | None) -> None:
    error = PullError("no", why="because")
    with pytest.raises(PullError) as caught:
        isolated(raising(error), limit=limit, output=Output())
    assert caught.value is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SignalExit(15)])
def test_an_interrupt_is_the_users_without_a_limit_and_the_plugins_with_one(error: BaseException) -> None:
    with pytest.raises(type(error)):
        isolated(raising(error), limit=None, output=Output())
    with pytest.raises(CallFailed):
        isolated(raising(error), limit=20, output=Output())


def test_a_limit_ends_the_wait() -> None:
    release = threading.Event()
    with pytest.raises(CallFailed, match=r"no answer within 0\.05 s") as caught:
        isolated(release.wait, limit=0.05, output=Output())
    release.set()
    assert caught.value.timed_out


def test_without_a_limit_the_call_stays_in_the_callers_thread() -> None:
    # A parent-death signal is bound to the thread that starts an engine: that thread must live on.
    assert isolated(threading.get_ident, limit=None, output=Output()) == threading.get_ident()
    assert isolated(threading.get_ident, limit=20, output=Output()) != threading.get_ident()


@LIMITS
def test_prints_are_kept_and_not_shown(limit: float | None, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()

    def chat() -> None:
        print("to stdout")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"raw\n")

    isolated(chat, limit=limit, output=output)
    assert output.text == "to stdout\nto stderr\nraw\n"
    assert capsys.readouterr() == ("", "")


def test_other_threads_still_print(capsys: pytest.CaptureFixture[str]) -> None:
    entered, release = threading.Event(), threading.Event()

    def plugin() -> None:
        entered.set()
        release.wait(150)
        print("from the plugin")

    caller = threading.Thread(target=lambda: isolated(plugin, limit=20, output=Output()))
    caller.start()
    entered.wait(150)
    print("from the user interface")
    release.set()
    caller.join()
    assert capsys.readouterr().out == "from the user interface\n"


def test_a_callback_prints_for_launchpad(capsys: pytest.CaptureFixture[str]) -> None:
    report = uncaptured(print)

    def launch() -> None:
        print("plugin")
        report("progress")
        print("plugin")

    isolated(launch, limit=None, output=Output())
    assert capsys.readouterr().out == "progress\n"


def test_only_the_end_of_a_flood_is_kept() -> None:
    output = Output()
    isolated(lambda: [print("x" * 1000) for _ in range(1000)], limit=50, output=output)
    assert len(output.text) <= 16 * 1024


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError(), "ValueError"),
        (ValueError("\x1b[2Jx"), "ValueError: ␛[2Jx"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 300),
    ],
)
def test_describe_is_one_safe_line(error: BaseException, text: str) -> None:
    assert describe(error) == text


def test_streams_are_restored_and_stay_guarded_while_a_stuck_thread_may_print() -> None:
    code = textwrap.dedent("""
        import sys, threading
        from launchpad.plugins.isolation import CallFailed, Output, isolated
        before = sys.stdout
        isolated(lambda: print("hidden"), limit=20, output=Output())
        assert sys.stdout is before
        wake, done = threading.Event(), threading.Event()
        def late():
            wake.wait()
            print("too late")
            done.set()
        try:
            isolated(late, limit=0.05, output=Output())
        except CallFailed:
            wake.set()
            done.wait()
        print("still here")
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=True
    )
    assert (done.stdout, done.stderr) == ("still here\n", "")
