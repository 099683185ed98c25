"""What llama.cpp would allocate: its own dry run, in a process that ends with it.

It needs the file's header and nothing of its weights, takes a few tenths of a second, and is exact for this build and
the devices that are here. The sums are those that llama.cpp prints, in whole MiB.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from launchpad.plugins import EngineBuffers, EngineReport, StartStep, clean_environment, read_header
from launchpad.plugins.llamacpp.install import PACKAGE
from launchpad.plugins.llamacpp.program import Program

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 8.0  # s; it takes 0.4 s on an idle machine
MIB = 2**20

_TABLE = "memory breakdown [MiB]"
_REFUSAL = re.compile(r"error loading model: (.+)")
_ROW = re.compile(r"\| +- (.+?) *\|")
_SUM = re.compile(r"\d+ *= *(\d+) *\+ *(\d+) *\+ *(\d+)")  # self = model + context + compute


def dry_run(start: StartStep, program: Program | None = None) -> EngineReport | None:
    """The engine's own sums for this start, or why it told none; None without a file. Raises `BadModelFile`.

    The engine dies in its dry run without a word where its graph needs a tensor that the file lacks.
    """
    if start.model_path is None or (program is not None and program.kind != "wheel"):
        return None  # a `llama-server` has no dry run
    if start.draft_path is not None or start.loras:
        return None  # it would size the large model alone
    read_header(Path(start.model_path))  # llama.cpp never sees a file that is malformed
    table, ending = _ask(start, program.argv[0] if program else sys.executable)
    buffers = read_table(table)
    version = importlib.metadata.version(PACKAGE) if program is None else program.version
    engine = f"llama.cpp b{version.rpartition('.')[2]} ({PACKAGE} {version})"
    untold = None if buffers else f"{ending} before it told what this file takes"
    return EngineReport(
        engine=engine, context=start.settings.context if buffers else None, buffers=buffers, untold=untold
    )


def _ask(start: StartStep, python: str) -> tuple[list[str], str]:
    """The table of the log, and how the process ended.

    It is killed after the table: what follows would be of no use.
    """
    settings = {"model": start.model_path, "alias": "dry-run", "api_key": "", "arguments": start.arguments}
    process = subprocess.Popen(
        [python, "-P", str(CHILD), "dry-run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=clean_environment(),
    )
    assert process.stdin is not None
    assert process.stderr is not None
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    try:
        with contextlib.suppress(OSError), process.stdin as stdin:
            stdin.write(json.dumps(settings))
        table, refusal = _until_after_table(process.stderr)
        return table, "" if table else refusal or _ending(process, timer)
    finally:
        timer.cancel()
        process.kill()
        process.stderr.close()
        process.wait()


def _ending(process: subprocess.Popen[str], timer: threading.Timer) -> str:
    """How a process ended that has closed its log."""
    code = process.wait()
    if not timer.is_alive():
        return f"did not answer within {TIMEOUT:.0f} s, and was stopped"
    if code < 0:
        return f"crashed (signal {-code})"
    return f"ended (code {code})"


def _until_after_table(lines: Iterable[str]) -> tuple[list[str], str | None]:
    """The lines of the table, and why the file was refused, if it was."""
    table: list[str] = []
    refusal = None
    for line in lines:
        if match := _REFUSAL.search(line):
            refusal = f"refused the file ({match[1][:120]!r})"
        inside = _TABLE in line or (bool(table) and _ROW.search(line) is not None)
        if table and not inside:
            break
        if inside:
            table.append(line)
    return table, refusal


def read_table(lines: Iterable[str]) -> tuple[EngineBuffers, ...]:
    """Bytes per device from the rows of llama.cpp's table; rows of the host count as the CPU's."""
    sums: dict[str, list[int]] = {}
    for line in lines:
        row = _ROW.search(line)
        figures = _SUM.search(line, row.end()) if row else None
        if row and figures:
            name = row[1].split()[0]
            device = "cpu" if name.startswith(("Host", "CPU")) or name.endswith("_Host") else name
            parts = sums.setdefault(device, [0, 0, 0])
            for index, figure in enumerate(figures.groups()):
                parts[index] += int(figure) * MIB
    return tuple(
        EngineBuffers(device=device, model=model, context=context, compute=compute)
        for device, (model, context, compute) in sums.items()
    )
