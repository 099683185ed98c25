"""What vLLM really did, from its log and its own answers: PURE."""

from __future__ import annotations

import re
from typing import Any

from launchpad.plugins import EngineBuffers, EngineReport, Fit

GIB = 1 << 30
_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
_DTYPE = re.compile(r"Initializing a V1 LLM engine .*? dtype=torch\.(\w+)")
_KV_TYPE = re.compile(r"kv_cache_dtype=(\w+)")
_WEIGHTS = re.compile(r"Model loading took ([\d.]+) GiB")
_CACHE = re.compile(r"Available KV cache memory: ([\d.]+) GiB")
_SECONDS = re.compile(r"\binit engine .*? took ([\d.]+)")


def report(engine: str, log: str, model: dict[str, Any], fit: Fit, seconds: float) -> EngineReport:
    """The report of one start. `model` is its entry in `/v1/models`; figures that nobody told are None. Each copy tells of its own cache."""
    context, tokens = model.get("max_model_len"), _TOKENS.search(log)
    kind = _KV_TYPE.search(log)
    on_gpu = fit.placement.kind == "gpu"
    return EngineReport(
        engine=engine,
        context=context if isinstance(context, int) else None,
        gpu_share=1.0 if on_gpu else 0.0,
        kv_type=None if kind is None or kind[1] == "auto" else kind[1],
        kv_tokens=fit.placement.data_parallel * int(tokens[1].replace(",", "")) if tokens else None,
        dtype=found[1] if (found := _DTYPE.search(log)) else None,
        buffers=_buffers(log, fit) if on_gpu else (),
        load_seconds=seconds,
    )


def _buffers(log: str, fit: Fit) -> tuple[EngineBuffers, ...]:
    """Per GPU, as the first worker told: vLLM shares a model out equally."""
    weights, cache = _WEIGHTS.search(log), _CACHE.search(log)
    if weights is None or cache is None:
        return ()
    return tuple(
        EngineBuffers(
            device=device, model=round(float(weights[1]) * GIB), context=round(float(cache[1]) * GIB)
        )
        for device in fit.placement.devices
    )
