"""The flag that a signal may interrupt anywhere."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

from launchpad.engines.latch import Latch


def test_who_waits_is_woken():
    latch = Latch()
    woken = []
    waiters = [threading.Thread(target=lambda: woken.append(latch.wait(150))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    latch.set()
    latch.set()
    for waiter in waiters:
        waiter.join()
    assert woken == [True] * 3


def test_the_wait_ends_with_its_time():
    latch = Latch()
    assert (latch.wait(0), latch.wait(0.01), latch.is_set()) == (False, False, False)


@pytest.mark.parametrize("raised", [False, True])
def test_it_works_on_whichever_line_it_is_interrupted(raised):
    """The second Ctrl-C came between two lines of `threading.Event`: its lock was then held for ever."""
    line = 0
    interrupted = True
    while interrupted:
        line += 1
        latch = Latch()
        if raised:
            latch.set()
        interrupted = _interrupted_at(line, lambda latch=latch: latch.wait(0.001))
        assert latch.wait(0) is raised
        latch.set()
        other = threading.Thread(target=latch.wait)
        other.start()
        other.join(150)
        assert not other.is_alive()
    assert line > 2


def _interrupted_at(line, function):
    """Raise KeyboardInterrupt before the n-th line that runs; False when there are fewer."""
    seen = 0

    def trace(frame, event, argument):
        nonlocal seen
        seen += event == "line"
        if seen == line:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    gc.disable()  # whoever listens to it runs lines, too
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    return False
