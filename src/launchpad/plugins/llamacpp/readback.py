"""What llama.cpp did, from its own log and `/props`.

The model file has a say in the log (names, the chat template), but only after the `kv` dump, where line breaks are
escaped, and in the template's example, which comes last: reading ends there.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import Any

from launchpad.plugins import EngineBuffers, EngineReport

MIB = 2**20
_END = "chat template, example_format"
_BUFFER = re.compile(r": +(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")
_FIELD = {"model": "model", "KV": "context", "RS": "context", "compute": "compute", "output": "compute"}
_KV_TYPES = re.compile(r"K \((\w+)\): .*V \((\w+)\): ")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")


def report(log: str, props: dict[str, Any], engine: str, load_seconds: float | None) -> EngineReport:
    """The engine's report on itself. Figures that it did not give are None."""
    log = log.partition(_END)[0]
    offloaded = _OFFLOADED.search(log)
    layers = _number(log, r"print_info: n_layer +=")
    return EngineReport(
        engine=engine,
        context=_number(log, r"llama_context: n_ctx +=") or None,
        slots=props.get("total_slots"),
        threads=_number(log, r"system_info: n_threads ="),
        gpu_layers=int(offloaded[1]) if offloaded else 0,
        layers=int(offloaded[2]) if offloaded else (None if layers is None else layers + 1),
        flash_attention=_flash_attention(log),
        kv_type=_kv_type(log),
        buffers=_buffers(log),
        load_seconds=load_seconds,
        template=_template(props),
        vision=props.get("modalities", {}).get("vision"),
    )


def _template(props: dict[str, Any]) -> str | None:
    """The sha256 of what it uses: the file's, unless it mends that or has to do without."""
    text = props.get("chat_template")
    return (
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if isinstance(text, str) else None
    )


def _number(log: str, before: str) -> int | None:
    found = re.search(before + r" *(\d+)", log)
    return int(found[1]) if found else None


def _flash_attention(log: str) -> bool | None:
    """What was asked for, unless the engine says that it decided otherwise."""
    if decided := re.search(r"Flash Attention (?:was auto, set to |)(enabled|disabled)", log):
        return decided[1] == "enabled"
    asked = re.search(r"llama_context: flash_attn +=\s*(\w+)", log)
    return {"enabled": True, "disabled": False}.get(asked[1]) if asked else None


def _kv_type(log: str) -> str | None:
    found = _KV_TYPES.search(log)
    if found is None:
        return None
    return found[1] if found[1] == found[2] else f"{found[1]}/{found[2]}"


def _buffers(log: str) -> tuple[EngineBuffers, ...]:
    """Bytes per device. Pinned, mapped and repacked buffers of the host are the CPU's."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for device, kind, size in _BUFFER.findall(log):
        sums[_device(device)][_FIELD[kind]] += round(float(size) * MIB)
    return tuple(EngineBuffers(device=device, **fields) for device, fields in sums.items())


def _device(buffer: str) -> str:
    return "cpu" if buffer.startswith("CPU") or buffer.endswith("_Host") else buffer.partition("_")[0]
