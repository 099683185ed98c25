"""The last moments of a command that Ctrl-C ended: another one is no accident to be told of."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What goes with the frames of the interrupted command has a callback, and the second interrupt comes there.
PROGRAM = """
import os, signal, weakref
from launchpad.cli import main
from launchpad.cli.root import cli

class Held:
    pass

def gone(reference):
    os.kill(os.getpid(), signal.SIGINT)
    sum(range(10))

def interrupted(context):
    global reference
    held = Held()
    reference = weakref.ref(held, gone)
    raise KeyboardInterrupt

cli.invoke = interrupted
main(["models"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there")
def test_a_second_interrupt_on_the_way_out_says_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=150, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "stopped\n")
