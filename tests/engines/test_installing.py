"""A step of an installation: its words are heard, its failure is told, its interruption leaves nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from launchpad.engines.installing import run_installer, whole_or_nothing
from launchpad.errors import EngineError
from launchpad.events import EngineLoading, Event
from launchpad.testing.processes import eventually, gone


def run(code: str, heard: list[Event] | None = None) -> None:
    report = (heard if heard is not None else []).append
    run_installer(
        (sys.executable, "-c", code), report, backend="x", engine="X", what="installing", hint="Try again."
    )


def test_what_it_says_is_progress() -> None:
    heard: list[Event] = []
    run("import sys; print('one'); print(); print('two', file=sys.stderr)", heard)
    details = [event.detail for event in heard if isinstance(event, EngineLoading)]
    assert details[0].startswith(f"installing: {sys.executable}")
    assert details[1:] == ["installing: one", "installing: two"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "print('ERROR: no such wheel'); print('done with that'); raise SystemExit(3)",
            "ERROR: no such wheel",
        ),
        ("print('it ends here'); raise SystemExit(3)", "it ends here"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"),
    ],
)
def test_a_failure_says_why_and_what_to_do(code: str, why: str) -> None:
    with pytest.raises(EngineError) as caught:
        run(code)
    assert (caught.value.what, caught.value.why) == ("X was not installed: installing failed.", why)
    assert caught.value.hint == "Try again."


def test_its_last_words_are_kept() -> None:
    with pytest.raises(EngineError) as caught:
        run("for n in range(20): print('line', n)\nraise SystemExit(1)")
    assert caught.value.__notes__ == ["\n".join(f"line {n}" for n in range(12, 20))]


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="not installed") as caught:
        run_installer(("/nowhere/pip",), lambda _: None, backend="x", engine="X", what="w", hint="h")
    assert "/nowhere/pip" in (caught.value.why or "")


def test_an_interrupt_ends_it_and_leaves_no_folder(tmp_path: Path) -> None:
    folder, told = tmp_path / "environment", []

    def interrupt(event: Event) -> None:
        if isinstance(event, EngineLoading) and event.detail.removeprefix("installing: ").isdigit():
            told.append(int(event.detail.removeprefix("installing: ")))
            raise KeyboardInterrupt

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt), whole_or_nothing(folder):
        folder.mkdir()
        command = (sys.executable, "-c", code)
        run_installer(command, interrupt, backend="x", engine="X", what="installing", hint="h")
    assert not folder.exists()
    eventually(lambda: gone(told[0]))


def test_what_an_earlier_try_left_is_removed_and_what_is_whole_stays(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    (folder / "half").mkdir(parents=True)
    with whole_or_nothing(folder):
        assert not folder.exists()
        folder.mkdir()
    assert folder.exists()
