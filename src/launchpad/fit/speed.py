"""How fast: decode, prefill, first token and download, always as a range.

One token needs every active weight once from memory, the KV cache of the tokens before it, the recurrent state
twice, and a fixed time per block for starting kernels. Constants were fitted on published measurements of
llama.cpp (2025-2026) and checked on other devices; two honest runs on one card differ by 10 to 20 %.
"""

from __future__ import annotations

from msgspec import Struct

from launchpad.fit import weights
from launchpad.fit.kv import row_bytes
from launchpad.fit.layout import BlockKind, Layout
from launchpad.fit.pool import device_name
from launchpad.fit.result import Band, Settings
from launchpad.hardware.machine import Accelerator, Cpu

TYPICAL_DEPTH = 512  # tokens in the context for which decode is quoted: a question or two into a conversation
PROMPT = 512  # tokens of the prompt for which prefill and the first token are quoted


class Work(Struct, frozen=True, kw_only=True):
    """What one token costs: bytes read, kernels started, arithmetic.

    `blocks` counts blocks by the time that starting their kernels takes, one for a block with attention.
    """

    active_bytes: float
    kv_bytes: float
    state_bytes: float
    blocks: float
    moe: bool
    mla: bool
    gqa: float
    quantization: str
    parameters_active: float
    weights_bytes: float
    attention_flops: float  # per token of a prompt, at the mean depth within that prompt
    cache_products: float = 0.0  # multiplications with elements of the KV cache, over all query heads


class TokenTime(Struct, frozen=True, kw_only=True):
    """Seconds that one device spends on one decoded token, by what they are spent on.

    `device` is named as in `DeviceMemory`. `kernels` is the time for starting them, and for handing over between devices.
    """

    device: str
    weights: float
    kv_cache: float = 0.0
    recurrent_state: float = 0.0
    kernels: float = 0.0

    @property
    def total(self) -> float:
        """Sum of all parts in seconds."""
        return self.weights + self.kv_cache + self.recurrent_state + self.kernels


class BackendConstants(Struct, frozen=True, kw_only=True):
    """Constants of one GPU backend.

    `efficiency` is the share of the memory's theoretical bandwidth that weights are read with, by device family,
    `kernel` the seconds per block, `moe` its factor for blocks with experts, `cache` the share of bandwidth for the
    KV cache at four queries per KV head. `flops` is the share of the FP32 peak that prefill reaches (above 1 where
    matrix units help), `flops_moe` and `flops_recurrent` the factors on its time with experts and with recurrent blocks, `attention` the share for attention,
    `float_factor` the factor on its time with 16-bit weights. `experts_aside` are the seconds of the two
    synchronizations for each block whose experts are in main memory. `before_b8000` is the share of this that llama.cpp's builds before b8000 (early 2026) reach on AMD's
    devices. `band` and `prefill_band` are the half widths of the ranges, wide enough for 85 % of the measurements.
    """

    efficiency: dict[str, float]
    kernel: float
    moe: float
    cache: float
    formats: dict[str, float]
    flops: dict[str, float]
    flops_moe: float
    flops_recurrent: float
    attention: float
    float_factor: float
    experts_aside: dict[str, float]
    before_b8000: float
    band: float
    prefill_band: float


BACKENDS = {
    "cuda": BackendConstants(
        efficiency={
            "": 0.80, "6": 0.41, "7.0": 0.51, "7.2": 0.51, "7.5": 0.67, "8.0": 0.56, "8.6": 0.84, "8.7": 0.82,
            "8.9": 0.89, "9": 0.64, "10": 0.64, "11": 0.85, "12.0": 1.0, "12.1": 0.85,
        },
        kernel=63e-6, moe=1.65, cache=0.69,
        formats={"Q8_0": 1.07, "Q4_0": 1.08, "MXFP4": 0.90, "Q2_K": 0.83, "Q3_K": 0.83},
        flops={
            "": 1.4, "6": 1.0, "7.0": 3.4, "7.2": 3.4, "7.5": 2.0, "8.0": 5.3, "8.6": 1.8, "8.7": 1.8, "8.9": 1.5,
            "9": 2.8, "10": 2.8, "12": 1.18,
        },
        flops_moe=1.8, flops_recurrent=0.70, attention=1.37, float_factor=0.72,
        experts_aside={"": 0.15e-3}, before_b8000=1.0, band=0.22, prefill_band=0.35,
    ),
    "rocm": BackendConstants(
        efficiency={"": 0.70, "gfx1100": 0.63, "gfx1151": 0.73, "gfx1201": 0.74},
        kernel=76e-6, moe=1.42, cache=0.59,
        formats={"Q8_0": 1.07, "Q4_0": 1.08, "MXFP4": 0.90, "Q2_K": 0.83, "Q3_K": 0.83},
        flops={"": 0.67, "gfx1030": 0.90, "gfx1100": 0.67, "gfx1151": 0.50, "gfx1201": 0.95},
        flops_moe=1.3, flops_recurrent=1.0, attention=0.28, float_factor=0.83,
        experts_aside={"": 0.15e-3}, before_b8000=0.6, band=0.25, prefill_band=0.50,
    ),
    "vulkan": BackendConstants(
        efficiency={"": 0.71, "gfx1151": 0.82, "gfx1201": 0.88, "gfx1100": 0.67, "xe": 0.36},
        kernel=65e-6, moe=1.49, cache=0.51,
        formats={"BF16": 0.84, "MXFP4": 0.86, "Q2_K": 0.82, "Q3_K": 0.82, "Q6_K": 1.07},
        flops={"": 0.6, "gfx10": 0.68, "gfx1100": 0.43, "gfx1151": 0.42, "gfx1201": 1.6, "nvidia": 1.7, "xe2": 1.41},
        flops_moe=1.8, flops_recurrent=1.15, attention=0.14, float_factor=1.24,
        experts_aside={"": 0.45e-3, "xe": 2.1e-3}, before_b8000=0.7, band=0.35, prefill_band=0.45,
    ),
    "metal": BackendConstants(
        efficiency={"": 0.76, "m4": 0.87, "m5": 0.83},
        kernel=113e-6, moe=1.66, cache=0.37,
        formats={"Q8_0": 1.13, "Q4_0": 1.10, "MXFP4": 1.14, "F16": 1.05},
        flops={"": 0.77, "m1": 0.61, "m2": 0.70, "m3": 0.74, "m4": 0.77},
        flops_moe=1.14, flops_recurrent=1.0, attention=0.49, float_factor=0.85,
        experts_aside={"": 0.15e-3}, before_b8000=1.0, band=0.20, prefill_band=0.25,
    ),
}  # fmt: skip
BACKENDS["sycl"] = BACKENDS["vulkan"]

KERNELS_OF_2026 = 8000  # llama.cpp's build from which AMD's matrix units are used well
PARTIAL_BAND = 0.35
CPU_BAND = 0.25
CPU_SHARE_OF_PEAK = 0.55  # of the theoretical bandwidth; measured bandwidth needs no such share
CPU_MEASURED = {"plain": 0.89, "repacked": 1.0, "Q8_0": 1.17}

# What a processor needs beside reading weights; nothing of it shows with large models, most of it with tiny ones.
# Measured on two cores of a Zen 5 server with llama.cpp b11549: SmolLM2-135M and networks of true shape filled with
# zeros. Threads that sleep while they wait cost 118 µs a block (60 blocks of width 128 in 7.7 ms on two threads, in
# 0.95 ms on one). Attention is arithmetic there: each query head reads its cache by itself, 40 ns per head and token
# on one core at a head size of 64 (SmolLM2: 6.5 ms a token at depth 16, 28.3 ms at depth 2048).
CPU_BLOCK = 16e-6  # s a block on one thread
CPU_WAITING_BLOCK = 100e-6  # s a block that several threads wait for each other
CPU_PRODUCT = 0.31e-9  # s a product with an element of the KV cache, on one core
CPU_BLOCK_BAND = 0.5  # these two depend on the processor more than reading does
CPU_PRODUCT_BAND = 0.4

# FLOP/s of one core in prefill by instruction set: medians over published runs on 30 processors of known core
# count (2025-2026), of which a tenth is below half and a tenth above one and a half times the figure.
CPU_CORE_FLOPS = {"avx512f": 85e9, "avx2": 73e9, "neon": 73e9}
CPU_CORE_FLOPS_PLAIN = 33e9
CPU_PREFILL_REPACKED = 1.3
CPU_ATTENTION_SHARE = 0.4  # of that rate in attention
CPU_PREFILL_BAND = 0.6
STATE_SHARE = 0.5
PREFILL_WEIGHTS_SHARE = 0.76
SCAN_BLOCKS = 1.25  # a recurrent scan starts more kernels than attention does
SHORT_CONVOLUTION_BLOCKS = 0.64  # and a short convolution fewer
GQA_REFERENCE, GQA_EXPONENT = 4.0, 0.28
MLA_CACHE_FACTOR = 1.29


def work(layout: Layout, settings: Settings, depth: int = TYPICAL_DEPTH) -> Work:
    """What one token costs with so many tokens before it."""
    depth = min(depth, settings.context)
    active: float = layout.weights - layout.per_layer_embd - (0 if layout.tied else layout.token_embd)
    if layout.experts:
        active -= sum(layout.block_experts) * (1 - layout.experts.used / layout.experts.total)
    kv = 0.0
    state = 0
    blocks = attention = products = 0.0
    for index, kind in enumerate(layout.kinds):
        number = layout.count(index, 0, layout.layers)
        seen = min(depth, layout.window) if kind.windowed else depth
        kv += (
            number
            * seen
            * (row_bytes(kind.k_dim, settings.kv_type_k) + row_bytes(kind.v_dim, settings.kv_type_v))
        )
        products += number * seen * layout.gqa * (kind.k_dim + kind.v_dim)
        blocks += number * kernels(kind)
        state += number * 4 * (kind.conv_state + kind.scan_state)
        prompt_seen = min(PROMPT // 2, layout.window) if kind.windowed else PROMPT // 2
        attention += number * 4 * layout.gqa * max(kind.k_dim, kind.v_dim) * prompt_seen
    parameters = layout.parameters_active or active * 8 / (
        weights.bits_per_weight(layout.quantization or "") or 5.0
    )
    return Work(
        active_bytes=active,
        kv_bytes=kv,
        state_bytes=state,
        blocks=blocks,
        moe=layout.experts is not None,
        mla=layout.mla,
        gqa=layout.gqa,
        quantization=weights.base_name(layout.quantization or ""),
        parameters_active=parameters,
        weights_bytes=layout.weights,
        attention_flops=attention,
        cache_products=products,
    )


def kernels(kind: BlockKind) -> float:
    """The time for starting the kernels of one block, in that of a block with attention."""
    if kind.scan_state:
        return SCAN_BLOCKS
    return SHORT_CONVOLUTION_BLOCKS if kind.conv_state else 1.0


def gpu_time(
    cost: Work, accelerator: Accelerator, api: str, *, active: float, share: float
) -> TokenTime | None:
    """The time of a decoded token for `active` bytes of weights and that share of the blocks; None when unknown."""
    constants = BACKENDS.get(api)
    if constants is None or not accelerator.bandwidth:
        return None
    efficiency = _by_family(constants.efficiency, accelerator)
    rate = accelerator.bandwidth * efficiency * _by_format(constants.formats, cost.quantization)
    cache: float = constants.cache * min(1.0, (GQA_REFERENCE / max(cost.gqa, 0.1)) ** GQA_EXPONENT)
    if cost.mla:
        cache = constants.cache / MLA_CACHE_FACTOR
    return TokenTime(
        device=device_name(accelerator),
        weights=active / rate,
        kv_cache=cost.kv_bytes * share / (accelerator.bandwidth * cache),
        recurrent_state=2 * cost.state_bytes * share / (STATE_SHARE * accelerator.bandwidth),
        kernels=cost.blocks * share * constants.kernel * (constants.moe if cost.moe else 1.0),
    )


def experts_aside_seconds(accelerator: Accelerator, api: str) -> float:
    """Seconds that each block costs whose experts are in main memory."""
    return _by_family(BACKENDS[api].experts_aside, accelerator)


def cpu_rate(cpu: Cpu, quantization: str, *, repacked: bool) -> float | None:
    """Bytes of weights per second that the processor decodes with, None when its bandwidth is not known."""
    if not cpu.bandwidth:
        return None
    if not cpu.bandwidth_measured:
        return cpu.bandwidth * CPU_SHARE_OF_PEAK
    kind = "Q8_0" if quantization == "Q8_0" else "repacked" if repacked else "plain"
    return cpu.bandwidth * CPU_MEASURED[kind]


def cpu_threads(cpu: Cpu) -> int | None:
    """Threads that decode is fastest with: performance cores, no more than may be used. None when not known."""
    cores = cpu.cores_performance or cpu.cores_physical
    if cores is None:
        return None
    return max(1, min(cores, int(cpu.cores_available))) if cpu.cores_available else cores


def cpu_prefill_seconds(cost: Work, cpu: Cpu, *, repacked: bool) -> float | None:
    """Seconds per token of a prompt on the processor, None when its cores or instruction set are not known."""
    threads = cpu_threads(cpu)
    if threads is None or not cpu.isa:
        return None
    rate = next((flops for name, flops in CPU_CORE_FLOPS.items() if name in cpu.isa), CPU_CORE_FLOPS_PLAIN)
    rate *= threads
    weights_rate = rate * (CPU_PREFILL_REPACKED if repacked else 1.0)
    return 2 * cost.parameters_active / weights_rate + cost.attention_flops / (CPU_ATTENTION_SHARE * rate)


def prefill_seconds(
    cost: Work, accelerator: Accelerator, api: str, ubatch: int, *, build: int | None = None
) -> float | None:
    """Seconds per token of a prompt, None when the device's arithmetic is not known.

    `build` is the number of llama.cpp's build; None means a current one.
    """
    constants = BACKENDS.get(api)
    if constants is None or not accelerator.bandwidth or not accelerator.fp32_flops:
        return None
    flops = accelerator.fp32_flops
    factor = constants.flops_moe if cost.moe else 1.0
    if cost.state_bytes:
        factor *= constants.flops_recurrent
    if cost.quantization in ("F16", "BF16"):
        factor *= constants.float_factor
    if build is not None and build < KERNELS_OF_2026 and accelerator.vendor == "amd":
        factor /= constants.before_b8000
    seconds = 2 * cost.parameters_active * factor / (flops * _by_family(constants.flops, accelerator))
    seconds += cost.weights_bytes / (PREFILL_WEIGHTS_SHARE * accelerator.bandwidth * ubatch)
    return seconds + cost.attention_flops / (flops * constants.attention)


def _by_family(table: dict[str, float], accelerator: Accelerator) -> float:
    """The entry of the longest prefix of the device's architecture, else of its vendor, else the general one."""
    arch = (accelerator.arch or "").lower()
    matches = [prefix for prefix in table if prefix and arch.startswith(prefix)]
    if matches:
        return table[max(matches, key=len)]
    return table.get(accelerator.vendor, table[""])


def _by_format(table: dict[str, float], quantization: str) -> float:
    return next((factor for prefix, factor in table.items() if quantization.startswith(prefix)), 1.0)


def band(value: float, half_width: float) -> Band:
    """A value with its range."""
    return Band(low=value * (1 - half_width), value=value, high=value * (1 + half_width))
