"""How fast vLLM decodes one conversation: PURE.

    seconds per token = active weights / (GPUs of a stage · bandwidth · SHARE) + cache likewise + blocks · BLOCK + stages' hops

Both constants from thirteen published measurements on two and four RTX 3090 (vLLM 0.19 to 0.23; Qwen3.6 27B in BF16, FP8,
INT8 and 4 bits; Qwen3.5 35B-A3B in FP8 and 4 bits): twelve lie within 20 % of this law, one is half as fast again. Other cards,
the network between nodes, and more than four GPUs are extrapolations: hence the wide band.
"""

from __future__ import annotations

from launchpad.fit import speed
from launchpad.fit.layout import Layout
from launchpad.fit.result import Settings, Speed
from launchpad.fit.vllm_groups import Group

SHARE = 0.71  # of the theoretical bandwidth of all GPUs of a stage
BLOCK = 110e-6  # seconds per block: kernels, and what the GPUs of a stage tell each other
HOP = 100e-6  # seconds for handing a token to the next node, beside the bytes of its activations
BAND = 0.4


def vllm_speed(layout: Layout, settings: Settings, group: Group) -> Speed:
    """Tokens per second of one conversation, None where a bandwidth is not known. Prefill was never measured."""
    bandwidths = [item.accelerator.bandwidth for item in group.gpus]
    if not all(bandwidths):
        return Speed()
    slowest = min(bandwidth for bandwidth in bandwidths if bandwidth)
    cost = speed.work(layout, settings)
    rate = slowest * SHARE * group.tensor_parallel
    # A compressed cache is kept whole on each GPU, heads of a plain one are shared out.
    cache = cost.kv_bytes * (group.tensor_parallel if cost.mla else 1)
    seconds = (cost.active_bytes + cache + 2 * cost.state_bytes) / rate + layout.layers * BLOCK
    hops = group.pipeline_parallel - 1
    handed = 2 * layout.hidden / group.interconnect if group.interconnect else 0.0
    seconds += hops * (HOP + handed)
    return Speed(decode=speed.band(1 / seconds, BAND), depth=min(speed.TYPICAL_DEPTH, settings.context))
