"""Constants of the speed law by GPU backend, vendor and family."""

from __future__ import annotations

from msgspec import Struct


class BackendConstants(Struct, frozen=True, kw_only=True):
    """Constants of one GPU backend.

    Weights are read with the share `efficiency` of the memory's theoretical bandwidth, and unpacking and multiplying
    one takes `arithmetic` operations of the FP32 peak beside that: why cards with much bandwidth for their arithmetic
    stay below their memory's speed. `family` is the factor on this rate by architecture or vendor, `formats` that on
    the bandwidth by quantization, `kernel` the seconds per block, `moe` its factor for blocks with experts, `cache`
    the share of bandwidth for the KV cache at four queries per KV head. `flops` is the share of the FP32 peak that
    prefill reaches without matrix units, `size` how much of it larger cards lose, `prefill_family` the factor on it,
    `flops_moe`, `flops_recurrent` and `float_factor` the factors on its time with experts, recurrent blocks and
    16-bit weights, `attention` the share for attention. `experts_aside` are the seconds of the two synchronizations
    for each block whose experts are in main memory. `before_b8000` is the share of this that llama.cpp's builds
    before b8000 (early 2026) reach on AMD's devices. `band` and `prefill_band` are the half widths of the ranges.
    """

    efficiency: float
    arithmetic: float
    family: dict[str, float]
    kernel: float
    moe: float
    cache: float
    formats: dict[str, float]
    flops: float
    size: float
    prefill_family: dict[str, float]
    flops_moe: float
    flops_recurrent: float
    attention: float
    float_factor: float
    experts_aside: dict[str, float]
    before_b8000: float
    band: float
    prefill_band: float


# Made by bench/fit/fit_speed.py; the bands are 87 % quantiles of its errors with each device held out.
BACKENDS = {
    "cuda": BackendConstants(
        efficiency=0.77, arithmetic=4.97, kernel=62e-6, moe=1.43, cache=0.93,
        family={
            "": 1.0, "nvidia": 1.0, "12": 1.24, "6": 0.73, "7.0": 0.78, "7.5": 1.11, "8.0": 0.98,
            "8.6": 1.21, "8.9": 1.23, "9": 0.94,
        },
        formats={
            "Q8_0": 1.1, "Q4_0": 1.13, "MXFP4": 0.94, "Q2_K": 0.97, "Q3_K": 0.83, "Q6_K": 1.03,
            "BF16": 0.91, "F16": 0.96,
        },
        flops=0.82, size=0.21,
        prefill_family={
            "": 1.0, "nvidia": 1.01, "12": 0.84, "6": 1.32, "7.0": 0.99, "7.5": 0.89, "8.0": 1.2,
            "8.6": 1.17, "8.9": 1.04, "9": 0.86,
        },
        flops_moe=1.52, flops_recurrent=1.14, attention=1.1, float_factor=0.84,
        experts_aside={"": 0.15e-3}, before_b8000=1.0, band=0.27, prefill_band=0.52,
    ),
    "rocm": BackendConstants(
        efficiency=0.79, arithmetic=6.77, kernel=100e-6, moe=1.34, cache=0.87,
        family={
            "": 1.0, "amd": 1.0, "gfx101": 0.98, "gfx103": 0.91, "gfx110": 0.95, "gfx115": 1.08,
            "gfx120": 1.24,
        },
        formats={
            "Q8_0": 1.08, "Q4_0": 1.11, "MXFP4": 0.86, "Q2_K": 0.97, "Q3_K": 0.8, "Q6_K": 1.02,
            "BF16": 0.95,
        },
        flops=0.94, size=0.21,
        prefill_family={
            "": 1.0, "amd": 1.11, "gfx101": 1.03, "gfx103": 1.03, "gfx110": 1.45, "gfx115": 0.8,
            "gfx120": 1.63,
        },
        flops_moe=1.39, flops_recurrent=1.29, attention=0.27, float_factor=1.12,
        experts_aside={"": 0.15e-3}, before_b8000=0.38, band=0.27, prefill_band=0.63,
    ),
    "vulkan": BackendConstants(
        efficiency=0.74, arithmetic=4.1, kernel=73e-6, moe=1.55, cache=0.72,
        family={
            "": 1.0, "amd": 1.1, "intel": 0.82, "nvidia": 1.07, "gfx101": 1.07, "gfx103": 1.07,
            "gfx110": 1.04, "gfx115": 1.19, "gfx120": 1.35, "xe2": 0.61, "12": 1.24, "6": 0.86,
            "7.0": 0.9, "7.5": 1.15, "8.0": 1.05, "8.6": 1.28, "8.9": 1.23, "9": 1.02,
        },
        formats={
            "Q8_0": 1.03, "Q4_0": 1.07, "MXFP4": 0.81, "Q2_K": 0.96, "Q3_K": 0.82, "Q6_K": 1.03,
            "BF16": 0.86,
        },
        flops=0.74, size=0.21,
        prefill_family={
            "": 1.0, "amd": 0.98, "intel": 0.84, "nvidia": 1.14, "gfx101": 0.86, "gfx103": 0.93,
            "gfx110": 1.2, "gfx115": 0.7, "gfx120": 1.44, "xe2": 0.63, "12": 1.03, "6": 1.35,
            "7.0": 1.13, "7.5": 1.06, "8.0": 1.27, "8.6": 1.44, "8.9": 1.17, "9": 1.04,
        },
        flops_moe=1.46, flops_recurrent=1.48, attention=0.16, float_factor=2.01,
        experts_aside={"": 0.45e-3, "xe": 2.1e-3}, before_b8000=0.52, band=0.46, prefill_band=0.48,
    ),
    "metal": BackendConstants(
        efficiency=0.78, arithmetic=0.27, kernel=110e-6, moe=1.47, cache=0.36,
        family={"": 1.0, "apple": 1.01, "m1": 0.98, "m2": 1.02, "m3": 0.94, "m4": 1.14},
        formats={
            "Q8_0": 1.07, "Q4_0": 1.08, "MXFP4": 0.95, "Q2_K": 0.97, "Q3_K": 0.84, "Q6_K": 1.02,
            "BF16": 0.92, "F16": 1.03,
        },
        flops=0.79, size=0.0,
        prefill_family={"": 1.0, "apple": 0.98, "m1": 0.88, "m2": 0.97, "m3": 1.02, "m4": 1.04},
        flops_moe=1.21, flops_recurrent=1.25, attention=0.51, float_factor=0.96,
        experts_aside={"": 0.15e-3}, before_b8000=1.0, band=0.31, prefill_band=0.38,
    ),
}  # fmt: skip
BACKENDS["sycl"] = BACKENDS["vulkan"]

# 16-bit products of the matrix units at one clock, divided by those of the FP32 lanes (data sheets), by architecture.
MATRIX_UNITS = {
    "7": 8.0, "8": 4.0, "8.0": 16.0, "8.7": 8.0, "9": 16.0, "10": 16.0, "11": 8.0, "12": 4.0,
    "gfx908": 8.0, "gfx90a": 8.0, "gfx94": 8.0, "gfx95": 8.0, "gfx11": 4.0, "gfx12": 8.0,
    "xe-hp": 8.0, "xe2": 8.0, "m5": 4.0,
}  # fmt: skip
