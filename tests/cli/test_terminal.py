"""What a person sees: every command on a real (pseudo) terminal of a given width, beside the same in a pipe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad.cli.layout import cells
from launchpad.cli.render import count

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_terminal(arguments: tuple[str, ...], columns: int, folder: Path) -> str:
    """What the command shows on a terminal that is so wide, without colors."""
    import fcntl
    import pty
    import struct
    import termios

    screen, tty = pty.openpty()
    fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    env |= {"HF_ENDPOINT": "http://127.0.0.1:9", "LAUNCHPAD_PYPI_INDEX_URL": "http://127.0.0.1:9/simple"}
    command = [sys.executable, "-m", "launchpad", *arguments]
    process = subprocess.Popen(command, stdin=tty, stdout=tty, stderr=tty, env=env, cwd=folder)
    os.close(tty)
    shown = b""
    while True:
        try:
            block = os.read(screen, 65536)
        except OSError:  # EIO: the last holder of the other side has gone
            break
        if not block:
            break
        shown += block
    os.close(screen)
    process.wait(150)
    return ESCAPES.sub("", shown.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    "arguments",
    [
        ("recommend", "--on", "RTX 4090"),
        ("plan", "--on", "RTX 4090"),
        ("fit", "qwen3-8b", "--on", "RTX 4090"),
        ("models",),
        ("hardware", "--on", "2x RTX 3090", "--evidence"),
        ("config",),
        ("plugins",),
        ("models", "no-such-model-at-all-that-anybody-would-have-ever-published"),
    ],
    ids=" ".join,
)
def test_lines_end_at_the_terminals_width(tmp_path, arguments, columns):
    shown = on_terminal(arguments, columns, tmp_path)
    for line in shown.split("\r")[-1].splitlines():
        longest = max(map(cells, line.split()), default=0)
        assert cells(line) <= columns or longest > columns - 12  # only what must not be torn sticks out


def test_a_narrow_terminal_hides_no_figure_of_the_picks(launchpad, tmp_path):
    arguments = ("recommend", "--on", "RTX 4090", "--count", "0")
    piped = launchpad(*arguments).out
    shown = on_terminal(arguments, 60, tmp_path)
    assert set(piped.split()) - set(shown.split()) <= {"model", "quant"}  # headers of what heads a block


def test_columns_left_out_are_named(tmp_path):
    shown = " ".join(on_terminal(("models",), 80, tmp_path).split())
    assert "not shown for want of width: name, lab, license" in shown


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (134_515_008, "135M"),
        (999_900_000, "1B"),
        (27_800_000_000, "27.8B"),
        (1.04e12, "1.04T"),
        (2.8e12, "2.8T"),
    ],
)
def test_counts_of_parameters(number, text):
    assert count(number) == text


def test_the_gateways_key_is_shown_to_a_terminal_alone(launchpad, tmp_path, private_home):
    start = ("serve", "./no-such.gguf", "--offline", "--port", "0")
    assert launchpad(*start).code == 3  # the key is made before
    (file,) = private_home.rglob("serve.key")
    shown = on_terminal((*start, "--new-key"), 200, tmp_path)
    assert f"key: {file.read_text().strip()}  (shown once; kept in {file})" in shown
    piped = launchpad(*start, "--new-key").err
    assert "no-such.gguf" in piped
    assert file.read_text().strip() not in piped
