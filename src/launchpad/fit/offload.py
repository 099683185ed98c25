"""Compute buffers when a network is spread: over main memory and a GPU, or over several GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from launchpad.fit.compute import Graph, beside_gpu, on_gpu
from launchpad.fit.kv import kv_bytes
from launchpad.fit.layout import Layout

# Shares of one block's cache that stay unused between copies, measured on the engine's dry runs.
HOLE_WITH_FACTORS = 0.5
HOLE_RECURRENT = 0.25
HOLE_IN_FFN = 0.25


class Buffers(Struct, frozen=True, kw_only=True):
    """Bytes of the compute buffers: one per GPU, and in main memory."""

    gpus: tuple[int, ...]
    host: int


def offloaded(graph: Graph, bounds: tuple[int, ...]) -> Buffers:
    """The buffers when blocks from `bounds[0]` on are on GPUs; `bounds` as in `memory.Split`."""
    first, number = bounds[0], len(bounds) - 1
    aside = graph.settings.cpu_moe_layers
    if number > 1:
        spread = _pipelined(graph, number)
        staged = max(_staged_blocks(graph, first), _staged_experts(graph, aside))
        return Buffers(gpus=tuple(max(gpu, staged) for gpu in spread.gpus), host=spread.host)
    gpu = max(on_gpu(graph), _staged_blocks(graph, first), _staged_experts(graph, aside))
    return Buffers(gpus=(gpu,), host=beside_gpu(graph))


def _staged_blocks(graph: Graph, first: int) -> int:
    """Bytes on a GPU that computes the first blocks' batches too: weights and cache are copied to it one by one.

    Freed copies leave holes that later ones do not always fit into; the factors on the cache describe those.
    """
    if not first:
        return 0
    layout, column = graph.layout, graph.column
    cache = max(kv_bytes(layout, graph.settings, block, block + 1) for block in _one_of_each(layout, first))
    ffn = layout.widest_ffn * column
    up, down = max(layout.largest_up[:first], default=0), max(layout.largest_down[:first], default=0)
    # Rotation factors are one more copy, and lie between the two halves of the cache.
    gap = HOLE_WITH_FACTORS if layout.rope_factors else HOLE_RECURRENT if layout.recurrent else 0.0
    candidates = [
        cache * (1 + gap),
        max(up + 2 * ffn, down + ffn) + cache * HOLE_IN_FFN,
    ]
    if layout.experts and layout.cumulative_experts[first]:
        used, expert_ffn = layout.experts.used, layout.experts.ffn
        expert_up = max(layout.largest_expert_up[:first], default=0) + 2 * used * expert_ffn * column
        expert_down = max(layout.largest_expert_down[:first], default=0)
        with_result = expert_down + used * (expert_ffn + layout.hidden) * column
        candidates += [max(expert_up, with_result) + cache * HOLE_IN_FFN, expert_down + cache]
    return 5 * graph.residual + graph.inputs + round(max(candidates))


def _one_of_each(layout: Layout, first: int) -> Iterator[int]:
    """One block of each kind among the first ones."""
    for kind in range(len(layout.kinds)):
        if layout.count(kind, 0, first):
            yield layout.blocks.index(kind)


def _staged_experts(graph: Graph, aside: int) -> int:
    """Bytes on a GPU that computes large batches with experts that lie in main memory: whole tensors are copied."""
    layout = graph.layout
    if not aside or not layout.experts:
        return 0
    used, ffn = layout.experts.used, layout.experts.ffn
    largest = max(layout.largest_expert_down[:aside], default=0)
    if layout.recurrent:
        largest += max(layout.largest_expert_up[:aside], default=0)
    return 4 * graph.residual + graph.inputs + used * (ffn + layout.hidden) * graph.column + largest


def _pipelined(graph: Graph, number: int) -> Buffers:
    """Several GPUs keep four copies of the inputs, so that they can work on four micro-batches at once."""
    copies = 4
    first = copies * (4 * graph.residual + graph.inputs) + graph.widest
    last = copies * graph.inputs + 11 * graph.residual + max(graph.widest, graph.logits)
    host = copies * graph.inputs + 10 * graph.residual
    return Buffers(gpus=(first, *[max(first, last)] * (number - 2), last), host=host)
