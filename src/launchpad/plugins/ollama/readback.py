"""What Ollama really did: its list of loaded models, and the lines of its engine's log where they can be read. PURE."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from launchpad.plugins import EngineBuffers, EngineReport

MIB = 1 << 20
_START = "starting llama-server"
_BUFFER = re.compile(r": +(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")
_FIELD = {"model": "model", "KV": "context", "RS": "context", "compute": "compute", "output": "compute"}
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_LOADED = re.compile(r"llama-server started in ([\d.]+) seconds")


def gpu_share(loaded: Mapping[str, Any]) -> float | None:
    """The part of a loaded model that is on accelerators; None where the server's figures cannot be true.

    A size of 0 is what Ollama tells when its engine names no buffers: it says nothing about where the model is.
    """
    size, vram = int(loaded.get("size") or 0), int(loaded.get("size_vram") or 0)
    return vram / size if size > 0 and vram <= size else None


def last_load(log: str) -> str:
    """The part of a server's log that tells of the last load; "" when there is none."""
    begin = log.rfind(_START)
    return "" if begin < 0 else log[begin:]


def report(engine: str, loaded: Mapping[str, Any], log: str, seconds: float) -> EngineReport:
    """The report on a loaded model. What neither the list nor the log says is None.

    That layers are "offloaded" proves nothing by itself: an engine without any device says so too. The buffers do.
    """
    log = last_load(log)
    buffers = _buffers(log)
    share = gpu_share(loaded)
    if share is None and log:
        share = _share(buffers)
    layers = _OFFLOADED.search(log)
    on_gpu = share is None or share > 0
    started = _LOADED.search(log)
    return EngineReport(
        engine=engine,
        context=int(loaded.get("context_length") or 0) or None,
        gpu_layers=(int(layers[1]) if on_gpu else 0) if layers else (0 if share == 0 else None),
        layers=int(layers[2]) if layers else None,
        buffers=buffers,
        load_seconds=float(started[1]) if started else seconds,
        gpu_share=share,
    )


def _buffers(log: str) -> tuple[EngineBuffers, ...]:
    """Bytes per device, as the engine under the server tells them."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for device, kind, size in _BUFFER.findall(log):
        sums[_device(device)][_FIELD[kind]] += round(float(size) * MIB)
    return tuple(EngineBuffers(device=device, **fields) for device, fields in sums.items())


def _device(buffer: str) -> str:
    host = buffer.startswith(("CPU", "BLAS")) or buffer.endswith("_Host")
    return "cpu" if host else buffer.partition("_")[0]


def _share(buffers: tuple[EngineBuffers, ...]) -> float | None:
    sizes = {b.device: b.model + b.context + b.compute for b in buffers}
    total = sum(sizes.values())
    return 1 - sizes.get("cpu", 0) / total if total else None
