"""The environment that llama.cpp is started with, beside the usual one."""

from __future__ import annotations

import os


def waiting() -> dict[str, str]:
    """How llama.cpp's threads wait for each other: they spin for a moment, then sleep. The user's own settings win.

    Threads that spin for long stall for seconds when another program wants a core (2 cores, both wanted by others:
    2.5 tokens/s with 20,000 turns, 36 to 96 with 1,000, 31 to 94 with none). Threads that do not spin at all sleep and
    wake between every two steps, which on an idle virtual machine costs two thirds (49 tokens/s against 156).
    """
    defaults = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
    if "OMP_WAIT_POLICY" in os.environ:
        del defaults["GOMP_SPINCOUNT"]  # it would overrule what the user chose
    return {name: os.environ.get(name, value) for name, value in defaults.items()}
