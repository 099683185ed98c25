"""Record a real session in a terminal as an SVG: `python tools/record_session.py docs/images/session.svg`.

Bare `launchpad` runs in a pseudo terminal with a home of its own, so everything happens: the look at the machine, the pick, the
pull, the start, an answer, the end. What is typed is in TYPED; pyte reads the screen, which is drawn as it was at the end.
Where the Hub cannot be reached, the pick is the model that the package index has.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pyte

COLUMNS, LINES = 96, 40
LIMIT = 300.0  # seconds for each step
# What to wait for, and what a person types then.
TYPED = (
    ("[Y/n]", "\r"),
    (">>>", "What is the capital of France?\r"),
    ("tok/s, context", "\x04"),
)
COLORS = {
    "default": "#d8dee9",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "yellow": "#e5c07b",
    "blue": "#61afef",
    "cyan": "#56b6c2",
    "magenta": "#c678dd",
}
WIDTH, HEIGHT, MARGIN = 8.4, 19, 20


class Run(NamedTuple):
    """Neighboring characters of one look."""

    column: int
    text: str
    color: str
    bold: bool


def record(command: Sequence[str], home: str) -> pyte.Screen:
    """The screen at the end of the session. Raises `TimeoutError` when what is waited for does not come."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "LAUNCHPAD_HOME": home,
        "HF_HUB_CACHE": f"{home}/hub",
    }
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    screen = _Screen(master)
    for awaited, answer in TYPED:
        _until(partial(_shows, screen, awaited), master, screen)
        time.sleep(0.5)
        os.write(master, answer.encode())
    _until(lambda: process.poll() is not None, master, screen)
    os.close(master)
    return screen


class _Screen(pyte.Screen):
    """Answers what programs ask a terminal."""

    def __init__(self, fd: int) -> None:
        super().__init__(COLUMNS, LINES)
        self._fd = fd
        self.stream = pyte.ByteStream(self)

    def write_process_input(self, data: str) -> None:
        os.write(self._fd, data.encode())


def _shows(screen: pyte.Screen, text: str) -> bool:
    return text in "\n".join(screen.display)


def _until(done: Callable[[], bool], fd: int, screen: _Screen) -> None:
    end = time.monotonic() + LIMIT
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("\n".join(screen.display))
        if select.select([fd], [], [], 0.1)[0]:
            try:
                screen.stream.feed(os.read(fd, 65536))
            except OSError:  # EIO: the program has closed its side
                return


def svg(screen: pyte.Screen, title: str) -> str:
    """The screen as a picture of text: it can be selected, searched and read aloud."""
    rows = [_runs(screen, row) for row in range(LINES)]
    while rows and not rows[-1]:
        rows.pop()
    width, height = COLUMNS * WIDTH + 2 * MARGIN, (len(rows) + 1) * HEIGHT + 2 * MARGIN + 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:.0f}" height="{height}" rx="10" fill="#1e222a"/>',
        *(
            f'<circle cx="{22 + 20 * n}" cy="20" r="6" fill="{c}"/>'
            for n, c in enumerate(("#e06c75", "#e5c07b", "#98c379"))
        ),
        f'<text x="{MARGIN}" y="{MARGIN + 16 + HEIGHT}" fill="#98c379" xml:space="preserve">$ launchpad</text>',
    ]
    for number, row in enumerate(rows):
        y = MARGIN + 16 + (number + 2) * HEIGHT
        lines += [_text(run, y) for run in row]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _runs(screen: pyte.Screen, row: int) -> list[Run]:
    runs: list[Run] = []
    for column in range(COLUMNS):
        cell = screen.buffer[row][column]
        color = COLORS.get(cell.fg, COLORS["default"])
        if runs and (runs[-1].color, runs[-1].bold) == (color, cell.bold):
            runs[-1] = runs[-1]._replace(text=runs[-1].text + cell.data)
        else:
            runs.append(Run(column, cell.data, color, cell.bold))
    return [run for run in runs if run.text.strip()]


def _text(run: Run, y: int) -> str:
    x = MARGIN + run.column * WIDTH
    text = run.text.rstrip()
    weight = ' font-weight="bold"' if run.bold else ""
    long = f' textLength="{len(text) * WIDTH:.1f}"'
    return f'<text x="{x:.1f}" y="{y}" fill="{run.color}"{weight}{long} xml:space="preserve">{escape(text)}</text>'


def main() -> None:
    """Record, and write the picture."""
    with tempfile.TemporaryDirectory() as home:
        screen = record([sys.executable, "-m", "launchpad"], home)
    Path(sys.argv[1]).write_text(svg(screen, "A first run of launchpad, recorded"), encoding="utf-8")


if __name__ == "__main__":
    main()
