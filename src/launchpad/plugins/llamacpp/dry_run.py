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

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 8.0  # s; it takes 0.4 s on an idle machine
MIB = 2**20

_TABLE = "memory breakdown [MiB]"
_ROW = re.compile(r"\| +- (.+?) *\|")
_SUM = re.compile(r"\d+ *= *(\d+) *\+ *(\d+) *\+ *(\d+)")  # self = model + context + compute


def dry_run(start: StartStep) -> EngineReport | None:
    """The engine's own sums for this start; None when it does not tell them. Raises `BadModelFile`."""
    if start.model_path is None:
        return None
    read_header(Path(start.model_path))  # llama.cpp never sees a file that is malformed
    buffers = read_table(_log(start))
    if not buffers:
        return None
    version = importlib.metadata.version(PACKAGE)
    engine = f"llama.cpp b{version.rpartition('.')[2]} ({PACKAGE} {version})"
    return EngineReport(engine=engine, context=start.settings.context, buffers=buffers)


def _log(start: StartStep) -> list[str]:
    """The log up to the end of the table. The process is killed there: what follows would be of no use."""
    settings = {"model": start.model_path, "alias": "dry-run", "api_key": "", "arguments": start.arguments}
    process = subprocess.Popen(
        [sys.executable, "-P", str(CHILD), "dry-run"],
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
        return _until_after_table(process.stderr)
    finally:
        timer.cancel()
        process.kill()
        process.stderr.close()
        process.wait()


def _until_after_table(lines: Iterable[str]) -> list[str]:
    table: list[str] = []
    for line in lines:
        inside = _TABLE in line or (bool(table) and _ROW.search(line) is not None)
        if table and not inside:
            break
        if inside:
            table.append(line)
    return table


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
