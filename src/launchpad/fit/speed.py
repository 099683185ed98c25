"""How fast: decode, prefill, first token and download, always as a range.

One token needs every active weight once from memory, the KV cache of the tokens before it, the recurrent state
twice, and a fixed time per block for starting kernels. Constants were fitted on published measurements of
llama.cpp (2025-2026) and judged with each device held out; two honest runs on one card differ by 10 to 20 %.
"""

from __future__ import annotations

import math

from msgspec import Struct

from launchpad.fit import weights
from launchpad.fit.backends import BACKENDS, COMMON, EXPERTS_ASIDE, MATRIX_UNITS
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


TYPICAL_FLOPS_PER_BYTE = 40.0  # of a device whose arithmetic is not known
SIZE_REFERENCE = 20e12  # FP32 peak of a card to which `size` makes no difference
GRAPHS_BEFORE_AMPERE = 10000  # its build from which Volta and Turing start a whole token's kernels at once
RDNA_MATRIX_KERNELS = (
    7300  # llama.cpp's build from which quantized products use RDNA's matrix units under ROCm
)
KERNELS_OF_2026 = 8000  # llama.cpp's build from which AMD's matrix units are used well
LARGE_TILES = (
    7720  # its build from which RDNA's matrix units get large tiles under Vulkan (its pull request 18749)
)
CURRENT_KERNELS = 6500  # its build from which decode became little faster
CURRENT_PREFILL = 9500  # the same of prefill
MATURE_MXFP4 = 7000
OLD_BUILDS = 5000  # builds to which the constants for old ones refer
PARTIAL_BAND = 0.35
CPU_BAND = 0.25
CPU_SHARE_OF_PEAK = 0.55  # of the theoretical bandwidth; measured bandwidth needs no such share
CPU_MEASURED = {"plain": 0.89, "repacked": 1.0, "Q8_0": 1.17}

# What a processor needs beside reading weights; nothing of it shows with large models, most of it with tiny ones.
# From two cores of one Zen 5 server with llama.cpp b11549: SmolLM2-135M and networks of true shape filled with zeros.
# Threads that sleep while they wait cost 105 to 118 µs a block (60 blocks of width 128 in up to 7.7 ms on two threads,
# in 0.95 ms on one), measured beside other work; 100 µs was chosen as a round figure just below. Attention is arithmetic there: each query head reads its cache by itself, 40 ns per head and token
# on one core at a head size of 64 (SmolLM2: 6.5 ms a token at depth 16, 28.3 ms at depth 2048).
CPU_BLOCK = 16e-6  # s a block on one thread
CPU_WAITING_BLOCK = 100e-6  # s a block that several threads wait for each other
CPU_PRODUCT = 0.31e-9  # s a product with an element of the KV cache, on one core
CPU_BLOCK_BAND = 0.5  # these two depend on the processor more than reading does
CPU_PRODUCT_BAND = 0.4

# FLOP/s of one core in prefill by instruction set, chosen with published runs on 30 processors of known core count
# (2025-2026) in view, of which a tenth is below half and a tenth above one and a half times the figure. AVX-512 is set
# below the median of its 42 rows (95e9); NEON rests on one row.
CPU_CORE_FLOPS = {"avx512f": 85e9, "avx2": 73e9, "neon": 73e9}
CPU_CORE_FLOPS_PLAIN = 33e9
CPU_PREFILL_REPACKED = 1.3
CPU_ATTENTION_SHARE = 0.4  # of that rate in attention
CPU_PREFILL_BAND = 0.6
STATE_SHARE = 0.5
MOST_OF_BANDWIDTH = 0.97  # refreshing the memory takes the rest, whatever the constants say
PREFILL_WEIGHTS_SHARE = 0.76
SCAN_BLOCKS = 1.25  # a recurrent scan starts more kernels than attention does
SHORT_CONVOLUTION_BLOCKS = 0.64  # and a short convolution fewer


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
    cost: Work,
    accelerator: Accelerator,
    api: str,
    *,
    active: float,
    share: float,
    engine: str = "",
    build: int | None = None,
) -> TokenTime | None:
    """The time of a decoded token for `active` bytes of weights and that share of the blocks; None when unknown.

    `build` is the number of llama.cpp's build; None means a current one.
    """
    if api not in BACKENDS or not accelerator.bandwidth:
        return None
    constants, bandwidth = BACKENDS[api].decode, accelerator.bandwidth
    slower = constants.engines.get(engine, 1.0)
    device = slower / _by_family(constants.family | constants.extrapolated, accelerator)
    old = _age(build, CURRENT_KERNELS)
    reading = active / (bandwidth * constants.reading * _by_format(constants.formats, cost.quantization))
    if accelerator.vendor == "amd" and cost.quantization.startswith("MXFP4"):
        reading *= COMMON.early_mxfp4 ** min(1.0, _age(build, MATURE_MXFP4) * OLD_BUILDS / 1000)
    if lacks_8_bits(accelerator, api, cost.quantization):
        reading *= COMMON.intel_q8
    if api == "vulkan" and bf16_experts(accelerator, cost):
        reading *= COMMON.slow_experts
    used = active / cost.active_bytes if cost.active_bytes else 0.0
    fastest = active / (bandwidth * MOST_OF_BANDWIDTH)
    unpacking = used * cost.parameters_active * constants.arithmetic / lanes_flops(accelerator)
    cache = cost.kv_bytes / (bandwidth * constants.cache) * (COMMON.mla_cache if cost.mla else 1.0)
    products = cost.cache_products * constants.cache_arithmetic / lanes_flops(accelerator)
    products *= COMMON.mla_arithmetic if cost.mla else 1.0
    kernels = cost.blocks * constants.kernel * (constants.moe if cost.moe else 1.0)
    kernels *= COMMON.no_graphs if lacks_graphs(accelerator, api, build) else 1.0
    return TokenTime(
        device=device_name(accelerator),
        weights=max(fastest, (reading + unpacking) * device * math.exp(COMMON.old_reading * old)),
        kv_cache=(cache + products) * share * slower,
        recurrent_state=2 * cost.state_bytes * share / (STATE_SHARE * bandwidth) * slower,
        kernels=kernels * share * device * math.exp(COMMON.old_kernel * old),
    )


def gpu_half_width(accelerator: Accelerator, api: str) -> float:
    """Half width of the range of decode."""
    constants = BACKENDS[api].decode
    return constants.band if _is_measured(constants.family, accelerator) else constants.band_unknown


def experts_aside_seconds(accelerator: Accelerator, api: str) -> float:
    """Seconds that each block costs whose experts are in main memory."""
    return _by_family(EXPERTS_ASIDE.get(api, EXPERTS_ASIDE[""]), accelerator)


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
    if api not in BACKENDS or not accelerator.bandwidth or not accelerator.fp32_flops:
        return None
    constants, flops = BACKENDS[api].prefill, accelerator.fp32_flops
    slower = math.exp(COMMON.old_prefill * _age(build, CURRENT_PREFILL))
    if build is not None and build < KERNELS_OF_2026 and accelerator.vendor == "amd":
        slower *= constants.amd_before_b8000
    if bf16_experts(accelerator, cost):
        slower *= constants.bf16_experts
    if small_tiles(accelerator, api, build):
        slower *= COMMON.small_tiles
    factor = (
        slower * (constants.moe if cost.moe else 1.0) * (constants.recurrent if cost.state_bytes else 1.0)
    )
    if cost.quantization in ("F16", "BF16"):
        factor *= constants.float16
    rate = lanes_flops(accelerator) * constants.flops * _by_family(constants.family, accelerator)
    rate *= (
        matrix_factor(accelerator, api, build, cost.quantization) ** COMMON.matrix_exponent
        / (flops / SIZE_REFERENCE) ** constants.size
    )
    if is_integrated(accelerator):
        rate /= COMMON.integrated
    seconds: float = cost.parameters_active * factor * (2 / rate + COMMON.traffic / accelerator.bandwidth)
    seconds += cost.weights_bytes / (PREFILL_WEIGHTS_SHARE * accelerator.bandwidth * ubatch)
    seconds += cost.blocks * constants.kernel * (COMMON.kernel_moe if cost.moe else 1.0) / ubatch
    return seconds + cost.attention_flops / (flops * constants.attention)


def prefill_half_width(accelerator: Accelerator, api: str) -> float:
    """Half width of the range of prefill."""
    constants = BACKENDS[api].prefill
    return constants.band if _is_measured(constants.family, accelerator) else constants.band_unknown


def _age(build: int | None, current: int) -> float:
    """How old a build is, in units of `OLD_BUILDS` before the one that counts as current."""
    return 0.0 if build is None else max(0.0, (current - build) / OLD_BUILDS)


def lanes_flops(accelerator: Accelerator) -> float:
    """FP32 operations per second without the second issue that AMD's data sheets count since RDNA 3."""
    flops = accelerator.fp32_flops or TYPICAL_FLOPS_PER_BYTE * (accelerator.bandwidth or 0.0)
    return flops / 2 if _is_rdna3(accelerator) else flops


def _is_rdna3(accelerator: Accelerator) -> bool:
    """True for RDNA 3 and later: AMD's first graphics with matrix units."""
    return (accelerator.arch or "").lower().startswith(("gfx11", "gfx12"))


def lacks_graphs(accelerator: Accelerator, api: str, build: int | None = None) -> bool:
    """True where llama.cpp starts each kernel by itself: CUDA graphs came to Volta and Turing in 2026, never to Pascal."""
    capability = _compute_capability(accelerator)
    if api != "cuda" or capability is None or capability >= 8.0:
        return False
    return capability < 7.0 or (build is not None and build < GRAPHS_BEFORE_AMPERE)


def lacks_8_bits(accelerator: Accelerator, api: str, quantization: str) -> bool:
    """True where 8-bit weights are read far more slowly than others: Intel's cards under llama.cpp's Vulkan."""
    return accelerator.vendor == "intel" and api == "vulkan" and quantization.startswith("Q8")


def bf16_experts(accelerator: Accelerator, cost: Work) -> bool:
    """True for experts in BF16 on AMD's devices, which llama.cpp multiplies far more slowly than other weights."""
    return accelerator.vendor == "amd" and cost.moe and cost.quantization == "BF16"


def small_tiles(accelerator: Accelerator, api: str, build: int | None) -> bool:
    """True where llama.cpp multiplies on RDNA's matrix units in tiles too small for them."""
    return build is not None and build < LARGE_TILES and api == "vulkan" and _is_rdna3(accelerator)


def is_integrated(accelerator: Accelerator) -> bool:
    """True for AMD's graphics within processors, which reach less of their arithmetic on paper than its cards."""
    return accelerator.vendor == "amd" and accelerator.unified


def _compute_capability(accelerator: Accelerator) -> float | None:
    """NVIDIA's version of the architecture, None for other vendors' devices."""
    try:
        return float(accelerator.arch or "") if accelerator.vendor == "nvidia" else None
    except ValueError:
        return None


def matrix_factor(
    accelerator: Accelerator, api: str = "", build: int | None = None, quantization: str = ""
) -> float:
    """How much faster the matrix units are on paper than `lanes_flops`, 1 without any, or where the engine leaves them idle."""
    arch = (accelerator.arch or "").lower()
    if build is not None and api == "rocm" and build < RDNA_MATRIX_KERNELS and _is_rdna3(accelerator):
        return 1.0
    if api == "vulkan" and quantization == "BF16" and arch.startswith("gfx11"):
        return 1.0  # Mesa's driver offers none for bfloat16 there: llama.cpp prints `bf16: 0`
    if api == "vulkan" and arch.startswith("xe-h"):
        return 1.0  # llama.cpp leaves those of Arc's first generation aside: they were slower there (pull request 14001)
    matches = [prefix for prefix in MATRIX_UNITS if arch.startswith(prefix)]
    return MATRIX_UNITS[max(matches, key=len)] if matches else 1.0


def _by_family(table: dict[str, float], accelerator: Accelerator) -> float:
    """The entry of the longest prefix of the device's architecture, else of its vendor, else the general one."""
    return table.get(_family(table, accelerator) or accelerator.vendor, table.get("", 1.0))


def _is_measured(table: dict[str, float], accelerator: Accelerator) -> bool:
    """True for a device of whose family there are measurements."""
    return _family(table, accelerator) is not None


def _family(table: dict[str, float], accelerator: Accelerator) -> str | None:
    arch = (accelerator.arch or "").lower()
    matches = [prefix for prefix in table if prefix and arch.startswith(prefix)]
    return max(matches, key=len, default=None)


def _by_format(table: dict[str, float], quantization: str) -> float:
    return next((factor for prefix, factor in table.items() if quantization.startswith(prefix)), 1.0)


def band(value: float, half_width: float) -> Band:
    """A value with its range."""
    return Band(low=value * (1 - half_width), value=value, high=value * (1 + half_width))
