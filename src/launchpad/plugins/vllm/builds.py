"""Which quantizations vLLM can run on which hardware: PURE.

NVIDIA by compute capability, from vLLM 0.32's own `get_min_capability` of each method; AMD and CPU from its platforms'
lists. What it then computes slower than the hardware could (FP8 weights on Ampere) still runs.
"""

from __future__ import annotations

import re

from launchpad.plugins import Accelerator

LEAST_CAPABILITY = 7.5  # of vLLM's CUDA wheels
_NVIDIA = {
    "FP8": 7.5,  # as weights alone below 8.9
    "AWQ": 7.5,
    "GPTQ": 7.5,
    "INT4": 8.0,
    "INT8": 7.5,
    "NVFP4": 7.5,  # as weights alone below 10.0
    "MXFP4": 8.0,
    "MXFP8": 8.0,
    "BF16": 8.0,
}
_AMD = {"FP8", "AWQ", "GPTQ", "INT4", "INT8", "MXFP4", "MXFP8", "BF16"}
_CPU = {"AWQ", "GPTQ", "INT4", "INT8", "BF16"}
_PLAIN = {"ORIGINAL", "UNKNOWN", "BF16", "F16", "FP16", "F32", "FP32", "NONE", ""}
_FIRST = re.compile(r"[A-Z0-9]+")


def method(quantization: str) -> str | None:
    """The method behind a build's name ("AWQ 4-bit", "FP8-dynamic"); None for plain weights."""
    name = quantization.upper().replace("W4A16", "INT4").replace("W8A8", "INT8")
    for known in ("NVFP4", "MXFP4", "MXFP8", "FP8", "AWQ", "GPTQ", "INT4", "INT8"):
        if known in name:
            return known
    found = _FIRST.match(name)
    first = found[0] if found else ""
    return None if first in _PLAIN else first


def refusal(quantization: str, accelerator: Accelerator | None) -> str | None:
    """Why this build cannot run on that GPU (None: on the CPU); None when it can, or nothing speaks against it."""
    wanted = method(quantization)
    if accelerator is None:
        return None if wanted is None or wanted in _CPU else f"vLLM has no {wanted} for CPUs"
    if accelerator.vendor == "nvidia":
        return _on_nvidia(wanted, accelerator)
    if wanted is not None and wanted not in _AMD:
        return f"vLLM has no {wanted} for {accelerator.name}"
    return None


def _on_nvidia(wanted: str | None, accelerator: Accelerator) -> str | None:
    capability = _capability(accelerator)
    if capability is None:
        return None
    if capability < LEAST_CAPABILITY:
        return f"vLLM needs compute capability {LEAST_CAPABILITY}, and {accelerator.name} has {capability}"
    if wanted is None:
        return None
    least = _NVIDIA.get(wanted)
    if least is None:
        return f"vLLM does not run {wanted}"
    if capability < least:
        return f"{wanted} needs compute capability {least} in vLLM, and {accelerator.name} has {capability}"
    return None


def _capability(accelerator: Accelerator) -> float | None:
    major, _, minor = (accelerator.arch or "").partition(".")
    return float(f"{major}.{minor}") if major.isdigit() and minor.isdigit() else None
