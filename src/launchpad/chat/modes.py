"""The terminal's modes and the signals that end a chat: whatever happens, the shell gets its terminal back."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from launchpad.errors import SignalExit


@contextmanager
def terminal_restored() -> Iterator[None]:
    """Put the modes of standard input back, whatever happened in between."""
    if os.name != "posix" or not sys.stdin.isatty():
        yield
        return
    import termios

    fd = sys.stdin.fileno()
    modes = termios.tcgetattr(fd)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSADRAIN, modes)


@contextmanager
def typing_hidden(*, by_lines: bool) -> Iterator[None]:
    """Do not mix what is typed ahead into an answer; it is there at the next prompt. Ctrl-C still interrupts.

    `by_lines` for a reader of whole lines; an editor gets every key as it is, Enter and Ctrl-D included.
    """
    with terminal_restored():
        if os.name == "posix" and sys.stdin.isatty():
            import termios

            modes = termios.tcgetattr(sys.stdin.fileno())
            modes[3] &= ~termios.ECHO
            if not by_lines:
                modes[0] &= ~termios.ICRNL
                modes[3] &= ~termios.ICANON
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, modes)
        yield


def await_typing(ask: Callable[[], None]) -> None:
    """Ask, and wait until standard input can be read: on a terminal that reads by lines, until Enter or Ctrl-D.

    A signal that comes between the question and a plain read is noted and no more: the read would sleep until
    something is typed. Here its handler runs, and what it raises (`KeyboardInterrupt`) passes.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        ask()  # a Windows console ends its own reads at Ctrl-C, and other threads hear of no signal
        return
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    try:
        ask()
        while sys.stdin not in select.select([sys.stdin, woken], [], [])[0]:
            os.read(woken, 4096)  # a handler that raised nothing
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wakes)


def key_pressed(ask: Callable[[], None]) -> str:
    """Ask, and wait for one key. What was typed before is dropped: nobody agrees to what they had not seen yet."""
    if os.name != "posix":
        ask()
        return sys.stdin.readline()[:1]
    import termios

    fd = sys.stdin.fileno()
    with terminal_restored():
        modes = termios.tcgetattr(fd)
        modes[3] &= ~(termios.ECHO | termios.ICANON)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(fd, termios.TCSAFLUSH, modes)
        await_typing(ask)
        return os.read(fd, 1).decode("ascii", "replace")


@contextmanager
def signals_leave() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, so that the engine is stopped and the terminal restored.

    A handler that the program has installed before is left alone.
    """
    found = []
    if threading.current_thread() is threading.main_thread():
        candidates = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
        found = [number for number in candidates if number and signal.getsignal(number) is signal.SIG_DFL]

    def leave(number: int, frame: FrameType | None) -> None:
        raise SignalExit(number)

    for number in found:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in found:
            signal.signal(number, signal.SIG_DFL)
