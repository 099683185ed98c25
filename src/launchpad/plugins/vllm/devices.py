"""Which GPUs vLLM may see: those of the plan. By itself it takes the first ones, whoever uses them."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from launchpad.plugins import Fit

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible(fit: Fit, library: Any = None) -> dict[str, str]:
    """The variable that names the plan's NVIDIA GPUs by their unique names; empty where these cannot be had.

    Cards that are partitioned (MIG) are left to the user's own setting: their instances have no names here.
    """
    indices = [int(name.partition(":")[2]) for name in fit.placement.devices if name.startswith("nvidia:")]
    if not indices:
        return {}
    with suppress(Exception):  # without NVML, or with one that does not answer, the order of CUDA must do
        nvml = library or import_module("pynvml")
        nvml.nvmlInit()
        try:
            names = [_name(nvml, index) for index in indices]
        finally:
            nvml.nvmlShutdown()
        if all(names):
            return {VARIABLE: ",".join(name for name in names if name)}
    return {}


def _name(nvml: Any, index: int) -> str | None:
    """The card's unique name ("GPU-…"); None where it is partitioned."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    with suppress(nvml.NVMLError):
        if nvml.nvmlDeviceGetMigMode(handle)[0]:
            return None
    name = nvml.nvmlDeviceGetUUID(handle)
    return name.decode() if isinstance(name, bytes) else str(name)
