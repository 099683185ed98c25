"""A terminal that a test holds in its hands: a real pty, a real process, and pyte as the screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyte

PROCESS = Path(__file__).with_name("chat_process.py")
LIMIT = 120.0  # seconds; only a failing test gets near


class RecordingScreen(pyte.Screen):
    """A screen that answers position requests and remembers what goes beyond showing text."""

    def __init__(self, columns: int, lines: int, fd: int) -> None:
        super().__init__(columns, lines)
        self.requests: list[str] = []
        self._fd = fd

    def write_process_input(self, data: str) -> None:
        os.write(self._fd, data.encode())

    def set_title(self, param: str) -> None:
        self.requests.append(param)

    def set_icon_name(self, param: str) -> None:
        self.requests.append(param)


class Terminal:
    """One process in one terminal."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        lines: int = 60,
        program: Sequence[str] = (str(PROCESS),),
        **environ: str,
    ) -> None:
        self.fd, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.modes = termios.tcgetattr(self.slave)
        self.raw = b""
        self.screen = RecordingScreen(columns, lines, self.fd)
        self._stream = pyte.ByteStream(self.screen)
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environ},
        )

    def send(self, text: str) -> None:
        """Type."""
        os.write(self.fd, text.encode())

    def expect(self, text: str, count: int = 1) -> str:
        """Read until the text is on the screen that many times; returns the screen."""
        deadline = time.monotonic() + LIMIT
        while self.shown().count(text) < count:
            ended = self.process.poll() is not None
            self.pump(0.2)
            late = ended or time.monotonic() > deadline
            assert not late or self.shown().count(text) >= count, f"no {text!r} in:\n{self.shown()}"
        return self.shown()

    def prompt(self, count: int = 1) -> str:
        """Read until the prompt waits at the end of the screen."""
        deadline = time.monotonic() + LIMIT
        while not self.shown().endswith(">>>") or self.shown().count(">>>") < count:
            assert time.monotonic() < deadline, f"no prompt in:\n{self.shown()}"
            self.pump(0.2)
        return self.shown()

    def shown(self) -> str:
        """The screen without trailing blanks."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running:\n{self.shown()}"
            self.pump(0.05)
        self.pump(0.0)
        return self.process.returncode

    def ends_within(self, seconds: float) -> bool:
        """Whether the process ends in that time."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.pump(0.05)
        return self.process.poll() is not None

    def restored(self) -> bool:
        """True if the terminal's modes are what they were before."""
        return termios.tcgetattr(self.slave) == self.modes

    def hang_up(self) -> None:
        """Close the terminal's window."""
        os.close(self.slave)
        os.close(self.fd)
        self.fd = self.slave = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (self.fd, self.slave):
            if fd >= 0:
                os.close(fd)

    def pump(self, seconds: float = 0.2) -> None:
        """Show what the process wrote, after at most that time."""
        while select.select([self.fd], [], [], seconds)[0]:
            data = os.read(self.fd, 65536)
            self.raw += data
            self._stream.feed(data)
            seconds = 0.0


@contextlib.contextmanager
def terminal(*arguments: str, **options: Any) -> Iterator[Terminal]:
    """Run the process; it is gone at the end."""
    running = Terminal(*arguments, **options)
    try:
        yield running
    finally:
        running.close()
