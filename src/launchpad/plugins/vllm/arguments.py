"""What vLLM is told, under the names of its own command line: PURE."""

from __future__ import annotations

from launchpad.plugins import EngineArguments, Fit
from launchpad.plugins.vllm.parsers import parsers

CPU_SEQUENCES = 16  # conversations that are computed at once; vLLM's own default would reserve for 256


def arguments(fit: Fit) -> EngineArguments:
    """The engine's arguments for this fit."""
    where, settings = fit.placement, fit.settings
    told: EngineArguments = {"max-model-len": settings.context}
    if where.kind == "cpu":
        told |= {
            "kv-cache-memory-bytes": _cache(fit),
            "max-num-seqs": max(CPU_SEQUENCES, settings.parallel),
            "dtype": "bfloat16",
            "enforce-eager": True,
        }
    if settings.memory_share is not None:
        told["gpu-memory-utilization"] = settings.memory_share
    if settings.kv_type_k == "q8_0":
        told["kv-cache-dtype"] = "fp8"
    told |= _parallel(fit)
    tool, reasoning = parsers(fit.model_id)
    if tool is not None:
        told |= {"enable-auto-tool-choice": True, "tool-call-parser": tool}
    if reasoning is not None:
        told["reasoning-parser"] = reasoning
    return told


def _parallel(fit: Fit) -> EngineArguments:
    where = fit.placement
    sizes = {
        "tensor-parallel-size": where.tensor_parallel,
        "pipeline-parallel-size": where.pipeline_parallel,
        "data-parallel-size": where.data_parallel,
    }
    told: EngineArguments = {name: size for name, size in sizes.items() if size > 1}
    if where.expert_parallel:
        told["enable-expert-parallel"] = True
    return told


def _cache(fit: Fit) -> int:
    return sum(device.term("kv_cache") for device in fit.devices)


def command_line(arguments: EngineArguments) -> list[str]:
    """The words after `vllm serve MODEL`. A switch stands alone; one that is off is left out."""
    words: list[str] = []
    for name, value in arguments.items():
        if isinstance(value, bool):
            words += [f"--{name}"] if value else []
        else:
            words += [f"--{name}", str(value)]
    return words
