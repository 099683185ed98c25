"""The speed of one arrangement: what each device contributes to the time of a token."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from launchpad.fit import speed
from launchpad.fit.layout import Layout
from launchpad.fit.pool import Usable
from launchpad.fit.result import Band, Settings, Speed
from launchpad.hardware.machine import Accelerator, Cpu


class Part(Struct, frozen=True, kw_only=True):
    """The part of the offloaded blocks that one accelerator computes, through this API; all parts sum to 1.

    `engine` is the backend's name, `build` the number of llama.cpp's build (None: a current one).
    """

    accelerator: Accelerator
    api: str
    share: float = 1.0
    engine: str = ""
    build: int | None = None


class Aside(Struct, frozen=True, kw_only=True):
    """What is left to main memory: bytes of weights per token, share of the blocks, blocks with only experts there."""

    weights: float = 0.0
    blocks: float = 0.0
    expert_blocks: int = 0


def estimate(
    layout: Layout,
    settings: Settings,
    used: Sequence[Usable],
    shares: Sequence[float],
    cpu: Cpu,
    *,
    engine: str = "",
    engine_build: int | None = None,
    size: int | None = None,
    download_rate: float | None = None,
) -> Speed:
    """Tokens per second and seconds until things happen; every part is None when a figure it needs is unknown.

    `shares` are the parts of the offloaded blocks on each accelerator of `used`; `engine_build` the number of llama.cpp's
    build (None: a current one).
    """
    cost = speed.work(layout, settings)
    parts = [
        Part(
            accelerator=usable.accelerator, api=usable.gpu.api, share=share, engine=engine, build=engine_build
        )
        for usable, share in zip(used, shares, strict=True)
    ]
    repacked = settings.repack and layout.repack > 0
    left = aside(layout, settings) if parts else Aside()
    decoded = decode(cost, parts, cpu, left=left, repacked=repacked)
    prefilled = None
    if not parts:
        prefilled = cpu_prefill(cost, cpu, repacked=repacked)
    elif not left.weights:
        prefilled = prefill(cost, parts, settings.ubatch)
    first = speed.PROMPT / prefilled.value + 1 / decoded.value if prefilled and decoded else None
    download = size / download_rate if size and download_rate else None
    depth = min(speed.TYPICAL_DEPTH, settings.context)
    full = decode(speed.work(layout, settings, settings.context), parts, cpu, left=left, repacked=repacked)
    return Speed(
        decode=decoded,
        prefill=prefilled,
        first_token=first,
        download=download,
        depth=depth,
        seconds_per_depth=_slope(decoded, full, settings.context - depth),
    )


def _slope(short: Band | None, full: Band | None, tokens: int) -> float:
    """Seconds that one more token in the context adds, from the speeds with few and with all of them."""
    if short is None or full is None or tokens <= 0:
        return 0.0
    return max(0.0, (1 / full.value - 1 / short.value) / tokens)


def aside(layout: Layout, settings: Settings) -> Aside:
    """What these settings leave to main memory."""
    first = max(0, layout.layers + 1 - settings.gpu_layers)
    unused = 1 - layout.experts.used / layout.experts.total if layout.experts else 0.0
    weights = layout.cumulative_weights[first] - layout.cumulative_experts[first] * unused
    stop = min(max(first, settings.cpu_moe_layers), layout.layers)
    experts = layout.cumulative_experts[stop] - layout.cumulative_experts[first]
    return Aside(
        weights=weights + experts * (1 - unused), blocks=first / layout.layers, expert_blocks=stop - first
    )


def decode(
    cost: speed.Work, parts: Sequence[Part], cpu: Cpu, *, left: Aside, repacked: bool = False
) -> Band | None:
    """Tokens per second of one conversation, None when a device's bandwidth is unknown. Times add."""
    times = token_times(cost, parts, cpu, left=left, repacked=repacked)
    if times is None:
        return None
    if not parts:
        half_width = _cpu_half_width(times[0])
    elif left.weights:
        half_width = speed.PARTIAL_BAND
    else:
        half_width = max(speed.gpu_half_width(part.accelerator, part.api) for part in parts)
    return speed.band(1 / sum(time.total for time in times), half_width)


def token_times(
    cost: speed.Work, parts: Sequence[Part], cpu: Cpu, *, left: Aside, repacked: bool = False
) -> tuple[speed.TokenTime, ...] | None:
    """What each device contributes to the time of one token, None when a device's bandwidth is unknown."""
    if not parts:
        rate = speed.cpu_rate(cpu, cost.quantization, repacked=repacked)
        return None if rate is None else (_cpu_alone(cost, cpu, rate),)
    times: list[speed.TokenTime] = []
    for part in parts:
        on_gpu = speed.gpu_time(
            cost,
            part.accelerator,
            part.api,
            active=(cost.active_bytes - left.weights) * part.share,
            share=part.share * (1 - left.blocks),
            engine=part.engine,
            build=part.build,
        )
        if on_gpu is None:
            return None
        times.append(on_gpu)
    if not left.weights:
        return tuple(times)
    rate = speed.cpu_rate(cpu, cost.quantization, repacked=False)
    if rate is None:
        return None
    waiting = left.expert_blocks * speed.experts_aside_seconds(parts[0].accelerator, parts[0].api)
    times.append(_cpu_time(cost, rate, weights=left.weights, share=left.blocks, waiting=waiting))
    return tuple(times)


def _cpu_alone(cost: speed.Work, cpu: Cpu, rate: float) -> speed.TokenTime:
    """The time of a token that no accelerator has a part in."""
    threads = speed.cpu_threads(cpu) or 1
    each = speed.CPU_BLOCK if threads == 1 else speed.CPU_WAITING_BLOCK
    reading = _cpu_time(cost, rate, weights=cost.active_bytes, share=1.0, waiting=cost.blocks * each)
    products = cost.cache_products * speed.CPU_PRODUCT / threads
    return replace(reading, kv_cache=max(reading.kv_cache, products))


def _cpu_half_width(time: speed.TokenTime) -> float:
    """Each part of the time with its own uncertainty."""
    reading = time.weights + time.recurrent_state
    doubt = speed.CPU_BAND * reading + speed.CPU_BLOCK_BAND * time.kernels
    return (doubt + speed.CPU_PRODUCT_BAND * time.kv_cache) / time.total


def _cpu_time(
    cost: speed.Work, rate: float, *, weights: float, share: float, waiting: float = 0.0
) -> speed.TokenTime:
    return speed.TokenTime(
        device="cpu",
        weights=weights / rate,
        kv_cache=cost.kv_bytes * share / rate,
        recurrent_state=2 * cost.state_bytes * share / rate,
        kernels=waiting,
    )


def cpu_prefill(cost: speed.Work, cpu: Cpu, *, repacked: bool) -> Band | None:
    """Tokens of a prompt per second without any accelerator, None when the processor is not known well enough."""
    seconds = speed.cpu_prefill_seconds(cost, cpu, repacked=repacked)
    return None if seconds is None else speed.band(1 / seconds, speed.CPU_PREFILL_BAND)


def prefill(cost: speed.Work, parts: Sequence[Part], ubatch: int) -> Band | None:
    """Tokens of a prompt per second, None when a device's arithmetic is unknown."""
    seconds = 0.0
    for part in parts:
        each = speed.prefill_seconds(cost, part.accelerator, part.api, ubatch, build=part.build)
        if each is None:
            return None
        seconds += each * part.share
    half_width = max(speed.prefill_half_width(part.accelerator, part.api) for part in parts)
    return speed.band(1 / seconds, half_width)
