"""Compute buffers when a network is spread: over main memory and a GPU, or over several GPUs."""

from __future__ import annotations

from msgspec import Struct

from launchpad.fit.compute import Graph, beside_gpu, on_cpu, on_gpu


class Buffers(Struct, frozen=True, kw_only=True):
    """Bytes of the compute buffers: one per GPU, and in main memory."""

    gpus: tuple[int, ...]
    host: int


def offloaded(graph: Graph, bounds: tuple[int, ...]) -> Buffers:
    """The buffers when blocks from `bounds[0]` on are on GPUs; `bounds` as in `memory.Split`."""
    number = len(bounds) - 1
    partial = bounds[0] > 0 or bool(graph.settings.cpu_moe_layers)
    if number == 1:
        gpu = _partly_on_gpu(graph, bounds[0]) if partial else on_gpu(graph)
        return Buffers(gpus=(gpu,), host=on_cpu(graph) if partial else beside_gpu(graph))
    return _pipelined(graph, number)


def _partly_on_gpu(graph: Graph, first: int) -> int:
    """Bytes on one GPU that computes only a part: it also stages weights of the other part for large batches."""
    layout, column = graph.layout, graph.column
    base = 5 * graph.residual + graph.inputs
    staged = on_gpu(graph)
    if first and layout.largest_up:
        ffn = max(kind.ffn for kind in layout.kinds)
        staged = max(staged, base + max(layout.largest_up[:first]) + 2 * ffn * column)
        staged = max(staged, base + max(layout.largest_down[:first]) + ffn * column)
    if layout.experts and graph.settings.cpu_moe_layers:
        used, ffn = layout.experts.used, layout.experts.ffn
        largest = max(layout.largest_expert_down, default=0)
        staged = max(
            staged, 4 * graph.residual + graph.inputs + used * (ffn + layout.hidden) * column + largest
        )
    return staged


def _pipelined(graph: Graph, number: int) -> Buffers:
    """Several GPUs keep four copies of the inputs, so that they can work on four micro-batches at once."""
    copies = 4
    first = copies * (4 * graph.residual + graph.inputs) + graph.widest
    last = copies * graph.inputs + 11 * graph.residual + max(graph.widest, graph.logits)
    host = copies * graph.inputs + 10 * graph.residual
    return Buffers(gpus=(first, *[max(first, last)] * (number - 2), last), host=host)
