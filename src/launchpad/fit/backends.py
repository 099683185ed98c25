"""Constants of the speed law by GPU backend and family of devices: packaged data that bench/fit/fit_speed.py writes."""

from __future__ import annotations

from importlib.resources import files

import msgspec
from msgspec import Struct


class Decode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Constants of one backend for decode.

    Weights are read with the share `reading` of the memory's theoretical bandwidth (times `formats`, by
    quantization), and unpacking and multiplying one takes `arithmetic` operations of the FP32 peak beside that: why
    cards with much bandwidth for their arithmetic stay below their memory's speed. `cache` is the share of bandwidth
    for the KV cache, `cache_arithmetic` the operations for each product of a query with one of its elements. `kernel`
    is seconds per block, `moe` its factor for blocks with experts. `family` is the pace of a device by architecture
    or vendor: a factor on reading, arithmetic and kernels alike; `extrapolated` that of families which nobody
    measured, from the generations before. `engines` are factors on the whole time.
    `band` is the half width of the range, `band_unknown` that for a family without measurements.
    """

    reading: float
    arithmetic: float
    formats: dict[str, float]
    cache: float
    cache_arithmetic: float
    kernel: float
    moe: float
    family: dict[str, float]
    extrapolated: dict[str, float]
    engines: dict[str, float]
    band: float
    band_unknown: float


class Prefill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Constants of one backend for prefill.

    `flops` is the share of the FP32 peak that is reached without matrix units, `size` how much of it larger cards
    lose, `family` the factor on it. `moe`, `recurrent` and `float16` are factors on the time with experts, recurrent
    blocks and 16-bit weights, `attention` the share of the peak for attention, `kernel` seconds per block and
    micro-batch, `bf16_experts` the factor on the time of experts in BF16 on AMD's devices, `amd_before_b8000` the factor on the time of AMD's devices with llama.cpp's builds before early 2026.
    """

    flops: float
    size: float
    family: dict[str, float]
    moe: float
    recurrent: float
    float16: float
    attention: float
    kernel: float
    bf16_experts: float
    amd_before_b8000: float
    band: float
    band_unknown: float


class Backend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both kinds of constants of one backend."""

    decode: Decode
    prefill: Prefill


class Common(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds on all backends.

    `old_reading` and `old_kernel` are logarithms of what 5 000 builds before `speed.CURRENT_KERNELS` take longer for
    reading and for kernels, `old_prefill` the same before `speed.CURRENT_PREFILL`; `early_mxfp4` is the factor on
    reading MXFP4 on AMD's devices a thousand builds before `speed.MATURE_MXFP4`, `no_graphs` that on kernels where each is
    started by itself (`speed.lacks_graphs`), `intel_q8` that on reading 8-bit weights where they are slow
    (`speed.lacks_8_bits`), `slow_experts` that on reading experts in BF16 on AMD's devices under Vulkan,
    `integrated` that on the arithmetic of prefill in AMD's graphics within processors, `small_tiles` that on the time of
    prefill with `speed.small_tiles`. Of latent attention (MLA), `mla_cache` and `mla_arithmetic` are factors on the
    time for the cache. `matrix_exponent` is what of the matrix units' advantage on paper shows, `traffic` the bytes
    read again per weight and token of a prompt, `kernel_moe` the factor on kernels of blocks with experts in prefill.
    """

    old_reading: float
    old_kernel: float
    old_prefill: float
    early_mxfp4: float
    no_graphs: float
    intel_q8: float
    slow_experts: float
    mla_cache: float
    mla_arithmetic: float
    matrix_exponent: float
    traffic: float
    integrated: float
    small_tiles: float
    kernel_moe: float


class Constants(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The packaged file."""

    made_by: str
    common: Common
    backends: dict[str, Backend]


def _load() -> Constants:
    return msgspec.json.decode(
        files("launchpad.fit").joinpath("data/speed.json").read_bytes(), type=Constants
    )


CONSTANTS = _load()
COMMON = CONSTANTS.common
BACKENDS = CONSTANTS.backends
BACKENDS["sycl"] = BACKENDS["vulkan"]  # nobody published enough to tell them apart

# Seconds of the two synchronizations for each block whose experts are in main memory; those of Vulkan rest on three runs.
EXPERTS_ASIDE = {"": {"": 0.15e-3}, "vulkan": {"": 0.45e-3, "xe": 2.1e-3}}

# 16-bit products of the matrix units at one clock, divided by those of the FP32 lanes (data sheets), by architecture.
MATRIX_UNITS = {
    "7": 8.0, "8": 4.0, "8.0": 16.0, "8.7": 8.0, "9": 16.0, "10": 16.0, "11": 8.0, "12": 4.0,
    "gfx908": 8.0, "gfx90a": 8.0, "gfx94": 8.0, "gfx95": 8.0, "gfx11": 4.0, "gfx12": 8.0,
    "xe-hp": 8.0, "xe2": 8.0, "m5": 4.0,
}  # fmt: skip
