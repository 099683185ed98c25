"""Asks whichllm, in its own interpreter: questions as JSON lines in, one answer for each out (tokens/s, or bytes)."""

from __future__ import annotations

import json
import sys
from typing import Any

from whichllm.engine.performance import estimate_tok_per_sec
from whichllm.engine.vram import estimate_vram
from whichllm.hardware.types import GPUInfo
from whichllm.models.types import GGUFVariant, ModelInfo


def answer(question: dict[str, Any]) -> float:
    variant = GGUFVariant(
        filename="model.gguf", quant_type=question["quant"], file_size_bytes=question["weights"]
    )
    model = ModelInfo(
        id=question["model"],
        family_id=question["model"],
        name=question["model"],
        parameter_count=question["params"],
        parameter_count_active=question["active_params"],
        is_moe=question["moe"],
        sliding_window=question.get("window"),
        sliding_window_global_ratio=question.get("full_layers"),
    )
    if "context" in question:
        return float(estimate_vram(model, variant, question["context"]))
    gpu = GPUInfo(
        name=question["gpu"],
        vendor=question["vendor"],
        vram_bytes=question["memory"],
        memory_bandwidth_gbps=question["bandwidth"],
        shared_memory=question["unified"],
    )
    return float(estimate_tok_per_sec(model, variant, gpu, question["fit"]))


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
