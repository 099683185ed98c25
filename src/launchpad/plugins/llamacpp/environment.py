"""The environment that llama.cpp is started with, beside the usual one."""

from __future__ import annotations

import os


def waiting() -> dict[str, str]:
    """Threads that spin while they wait for each other stall for seconds when another program wants a core."""
    return {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive")}
