"""The speed of one arrangement: what each device contributes to the time of a token."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.fit import speed
from launchpad.fit.layout import Layout
from launchpad.fit.pool import Usable
from launchpad.fit.result import Band, Settings, Speed
from launchpad.hardware.machine import Cpu


def estimate(
    layout: Layout,
    settings: Settings,
    used: Sequence[Usable],
    shares: Sequence[float],
    cpu: Cpu,
    *,
    size: int | None = None,
    download_rate: float | None = None,
    depth: int = speed.TYPICAL_DEPTH,
) -> Speed:
    """Tokens per second and seconds until things happen; every part is None when a figure it needs is unknown.

    `shares` are the parts of the offloaded blocks on each accelerator of `used`, and sum to 1.
    """
    cost = speed.work(layout, settings, depth)
    decode = _decode(layout, settings, cost, used, shares, cpu)
    prefill = _prefill(cost, settings, used, shares) if _whole(layout, settings, used) else None
    first = speed.PROMPT / prefill.value + 1 / decode.value if prefill and decode else None
    download = size / download_rate if size and download_rate else None
    return Speed(decode=decode, prefill=prefill, first_token=first, download=download)


def _whole(layout: Layout, settings: Settings, used: Sequence[Usable]) -> bool:
    return bool(used) and settings.gpu_layers > layout.layers and not settings.cpu_moe_layers


def _decode(
    layout: Layout,
    settings: Settings,
    cost: speed.Work,
    used: Sequence[Usable],
    shares: Sequence[float],
    cpu: Cpu,
) -> Band | None:
    if not used:
        rate = speed.cpu_rate(cpu, cost.quantization, repacked=settings.repack and layout.repack > 0)
        if rate is None:
            return None
        return speed.band(rate / (cost.active_bytes + cost.kv_bytes + 2 * cost.state_bytes), speed.CPU_BAND)
    aside, expert_blocks = bytes_aside(layout, settings)
    blocks_on_gpu = min(1.0, settings.gpu_layers / (layout.layers + 1))
    seconds = 0.0
    for usable, share in zip(used, shares, strict=True):
        active = (cost.active_bytes - aside) * share
        part = speed.gpu_seconds(
            cost, usable.accelerator, usable.gpu.api, active=active, share=share * blocks_on_gpu
        )
        if part is None:
            return None
        seconds += part
    width = max(speed.BACKENDS[usable.gpu.api].band for usable in used)
    if aside:
        rate = speed.cpu_rate(cpu, cost.quantization, repacked=False)
        if rate is None:
            return None
        on_cpu = (cost.kv_bytes + 2 * cost.state_bytes) * (1 - blocks_on_gpu)
        seconds += (aside + on_cpu) / rate + expert_blocks * speed.SECONDS_PER_EXPERT_BLOCK
        width = speed.PARTIAL_BAND
    return speed.band(1 / seconds, width)


def bytes_aside(layout: Layout, settings: Settings) -> tuple[float, int]:
    """Bytes of weights that one token needs from main memory, and how many blocks have only their experts there."""
    first = max(0, layout.layers + 1 - settings.gpu_layers)
    aside = float(layout.cumulative_weights[first])
    unused = 1 - layout.experts.used / layout.experts.total if layout.experts else 0.0
    aside -= layout.cumulative_experts[first] * unused
    stop = min(max(first, settings.cpu_moe_layers), layout.layers)
    experts = layout.cumulative_experts[stop] - layout.cumulative_experts[first]
    return aside + experts * (1 - unused), stop - first


def _prefill(
    cost: speed.Work, settings: Settings, used: Sequence[Usable], shares: Sequence[float]
) -> Band | None:
    seconds = 0.0
    for usable, share in zip(used, shares, strict=True):
        part = speed.prefill_seconds(cost, usable.accelerator, usable.gpu.api, settings.ubatch)
        if part is None:
            return None
        seconds += part * share
    return speed.band(1 / seconds, max(speed.BACKENDS[usable.gpu.api].band for usable in used))
