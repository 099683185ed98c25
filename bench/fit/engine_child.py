"""Asks the embedded llama.cpp about model files in its dry-run mode, each question in a fork: success ends in a crash.

    python -P engine_child.py    lines of JSON in: {"path": …, "log": …, "parameters": {"n_ctx": 4096, …}}
                                 per line out: "told", "refused", or "crashed" before it told

Parameters are attributes of xllamacpp's `CommonParams`; the log is all there is to read.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

SECONDS = 120  # of the longest answer
STILL_SECONDS = 5.0  # a log that grows no more is one of a process that crashed
PAUSE = "34 "  # the system call of a thread that waits forever (Linux on x86-64)
LOG_SECONDS = 0.008  # until the log is written
LAST = "threadpool init"  # what the log says after everything of interest


def main() -> None:
    """Answer until there are no more questions."""
    import xllamacpp

    for line in sys.stdin:
        question = json.loads(line)
        log = Path(question["log"])
        log.write_text("")
        child = os.fork()
        if not child:
            _ask(xllamacpp, question)
        print(_watched(child, log), flush=True)


def _watched(child: int, log: Path) -> str:
    """How the process ended, or was ended because its log had told everything or grew no more."""
    size, since = -1, time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "refused" if os.WIFEXITED(status) else "crashed"
        text = log.read_text(errors="replace")
        told = LAST in text
        paused = _is_paused(child)
        if len(text) != size:
            size, since = len(text), time.monotonic()
        if told or paused or time.monotonic() - since > STILL_SECONDS:
            time.sleep(LOG_SECONDS)
            told = LAST in log.read_text(errors="replace")
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "told" if told else "crashed"
        time.sleep(0.002)


def _is_paused(process: int) -> bool:
    """True when a thread of the process is where a crash leaves it."""
    for thread in Path(f"/proc/{process}/task").glob("*/syscall"):
        with contextlib.suppress(OSError):
            if thread.read_text().startswith(PAUSE):
                return True
    return False


def _ask(xllamacpp: Any, question: dict[str, Any]) -> None:
    signal.alarm(SECONDS)
    target = os.open(question["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    libc = ctypes.CDLL(None)
    # The engine's log is written by a thread of its own, which a crash would outrun: the thread that crashes waits.
    libc.signal(signal.SIGSEGV, libc.pause)
    libc.signal(signal.SIGABRT, libc.pause)
    try:
        xllamacpp.Server(_parameters(xllamacpp, question["path"], question["parameters"]))
    finally:
        time.sleep(LOG_SECONDS)
        os._exit(1)


def _parameters(xllamacpp: Any, path: str, wanted: dict[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.no_alloc = params.fit_params = params.no_extra_bufts = True
    params.warmup = False
    params.verbosity = 4
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    for name, value in wanted.items():
        if name == "flash_attn_type":
            value = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{value}")
        elif name.startswith("cache_type"):
            value = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{value.upper()}")
        setattr(params, name, value)
    return params


if __name__ == "__main__":
    main()
