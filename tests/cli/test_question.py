"""Questions answered with yes or no: what each key means, and a Ctrl-C that comes as soon as the question is seen."""

from __future__ import annotations

import os
import signal

import pytest

from chat.terminal_harness import Terminal, terminal

ASKS = """
import click
from launchpad.cli.question import ask_consent
for number in range({times}):
    try:
        ask_consent("Really?", default={default})
        print(f"{{number}} agreed", flush=True)
    except click.Abort:
        print(f"{{number}} stopped", flush=True)
"""


def asking(*, times: int = 1, default: bool = False) -> Terminal:
    return terminal(program=("-c", ASKS.format(times=times, default=default)))


@pytest.mark.parametrize(
    ("typed", "default", "said"),
    [
        ("y\r", False, "agreed"),
        (" YES \r", False, "agreed"),
        ("n\r", True, "stopped"),
        ("No\r", True, "stopped"),
        ("\r", True, "agreed"),
        ("\r", False, "stopped"),
        ("\x04", True, "stopped"),
    ],
)
def test_an_answer(typed, default, said):
    with asking(default=default) as screen:
        screen.expect("Really? [Y/n]:" if default else "Really? [y/N]:")
        screen.send(typed)
        screen.expect(f"0 {said}")


def test_another_answer_is_asked_for_again():
    with asking() as screen:
        screen.expect("]:")
        screen.send("perhaps\r")
        screen.expect("Really? [y/N]:", 2)
        assert "Answer y or n." in screen.shown()
        screen.send("y\r")
        screen.expect("0 agreed")


def test_an_interrupt_right_behind_the_question_is_heard(one_core):
    """A plain read slept through one that came before it: about one in ten on a busy machine."""
    times = 300
    with asking(times=times) as screen:
        one_core(screen.process.pid)
        for number in range(times):
            while screen.raw.count(b"]: ") <= number:
                screen.pump()
            screen.process.send_signal(signal.SIGINT)
            while screen.raw.count(b"stopped") <= number:
                screen.pump()
        assert screen.wait() == 0


@pytest.fixture
def one_core():
    """Lets this test go first on the core that it shares with a process: it sees a question before the process goes on."""
    if not hasattr(os, "sched_setaffinity"):
        yield lambda pid: None
        return
    cores = os.sched_getaffinity(0)

    def shared(pid: int) -> None:
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        for each in (0, pid):
            os.sched_setaffinity(each, {min(cores)})

    yield shared
    os.sched_setaffinity(0, cores)
