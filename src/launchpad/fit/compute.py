"""Compute buffers of llama.cpp: the scratch memory of its largest graph, reserved at start.

The formulas describe builds from b11300 on (2026-10) and are exact to a few KiB for most networks on one device.
`f` is the size of one column: a 32-bit float for each token of a micro-batch.
"""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from launchpad.fit.kv import FLOAT, KV_BLOCKS, Cells, cells, micro_batch
from launchpad.fit.layout import BlockKind, Layout
from launchpad.fit.result import KvType, Settings

HALF = 2
INDEX = 8  # bytes of one 64-bit index


class Graph(Struct, frozen=True, kw_only=True, dict=True):
    """The sizes, in bytes, that the buffers of every placement are sums of.

    `outputs` is the number of tokens for which logits are computed at once.
    """

    layout: Layout
    settings: Settings
    outputs: int
    converts_cache: bool = True

    @cached_property
    def cells(self) -> Cells:
        """Cells of the KV caches."""
        return cells(self.layout, self.settings)

    @cached_property
    def tokens(self) -> int:
        """Tokens of one micro-batch."""
        return micro_batch(self.settings)

    @cached_property
    def column(self) -> int:
        """One float per token."""
        return FLOAT * self.tokens

    @cached_property
    def residual(self) -> int:
        """One copy of the residual stream."""
        return self.layout.hidden * self.column

    @cached_property
    def _cached_cells(self) -> tuple[int, int]:
        full = self.cells.full if self.layout.has_full_attention else 0
        windowed = self.cells.windowed if self.layout.has_windowed_attention else 0
        return full, windowed

    @cached_property
    def inputs(self) -> int:
        """Attention masks and row indices, set by the host for each micro-batch."""
        full, windowed = self._cached_cells
        element = HALF if self.settings.flash_attention else FLOAT
        masks = self.tokens * (full + windowed) * element
        indices = 2 * (bool(full) + bool(windowed))
        if not self.settings.flash_attention:
            # V is stored transposed, so that each element of a row has its own index.
            widest = max((kind.v_dim for kind in self.layout.kinds), default=0)
            return masks + self.tokens * INDEX * widest * (bool(full) + bool(windowed)) + 5 * self.column
        return masks + self.tokens * INDEX * indices + 5 * self.column

    @cached_property
    def per_layer(self) -> int:
        """The per-layer embeddings of one micro-batch (Gemma 3n and later)."""
        return self.layout.per_layer_width * self.layout.layers * self.column

    @cached_property
    def logits(self) -> int:
        """Logits of all outputs."""
        return FLOAT * self.layout.vocab * self.outputs

    @cached_property
    def widest(self) -> int:
        """The widest live set of any block."""
        return max((self.block(kind) for kind in self.layout.kinds), default=0)

    def block(self, kind: BlockKind) -> int:
        """The widest live set of one block."""
        return max(kind.width * self.column, self._attention(kind), self._scan(kind))

    def _scan(self, kind: BlockKind) -> int:
        if not kind.scan_width:
            return 0
        # Old and new states are alive together, and part of them in a third, contiguous copy.
        states = FLOAT * self.settings.parallel * kind.scan_state * 5 // 2
        return kind.scan_width * self.column + states

    def _attention(self, kind: BlockKind) -> int:
        if not kind.attends:
            return 0
        number = self.cells.windowed if kind.windowed else self.cells.full
        if not self.settings.flash_attention:
            return (self.layout.heads * number + kind.query_width) * self.column
        if not self.converts_cache:
            return 0
        copied = _elements_copied(kind, self.settings.kv_type_k, self.settings.kv_type_v)
        if not copied:
            return 0
        return kind.copied_width * self.column + copied * number * self.cells.streams * HALF


def _elements_copied(kind: BlockKind, kv_type_k: KvType, kv_type_v: KvType) -> int:
    """Elements per cell that the GPU's attention kernel converts to 16 bits before it reads them."""
    k_dim = kind.k_dim if KV_BLOCKS[kv_type_k][0] > 1 else 0
    v_dim = kind.v_dim if KV_BLOCKS[kv_type_v][0] > 1 else 0
    return k_dim + v_dim


def on_cpu(graph: Graph) -> int:
    """Bytes of the one buffer of a placement without any GPU."""
    return 5 * graph.residual + graph.inputs + 2 * graph.per_layer + max(graph.widest, graph.logits)


def on_gpu(graph: Graph) -> int:
    """Bytes on the GPU when every block is on it."""
    return 4 * graph.residual + graph.inputs + graph.per_layer + max(graph.widest, graph.logits)


def beside_gpu(graph: Graph) -> int:
    """Bytes in pinned main memory when every block is on one GPU."""
    return 4 * graph.residual + graph.inputs + 2 * graph.per_layer


class Buffers(Struct, frozen=True, kw_only=True):
    """Bytes of the compute buffers: one per GPU, and in main memory."""

    gpus: tuple[int, ...]
    host: int


def offloaded(graph: Graph, bounds: tuple[int, ...], output_gpu: int | None) -> Buffers:
    """The buffers when blocks from `bounds[0]` on are on GPUs; `bounds` as in `memory.Split`."""
    number = len(bounds) - 1
    partial = bounds[0] > 0 or bool(graph.settings.cpu_moe_layers)
    if number == 1:
        gpu = _partly_on_gpu(graph, bounds[0]) if partial else on_gpu(graph)
        return Buffers(gpus=(gpu,), host=beside_gpu(graph) if not partial else on_cpu(graph))
    return _pipelined(graph, number)


def _partly_on_gpu(graph: Graph, first: int) -> int:
    """Bytes on one GPU that computes only a part: it also stages weights of the other part for large batches."""
    layout, column = graph.layout, graph.column
    base = 5 * graph.residual + graph.inputs
    staged = on_gpu(graph)
    for block in range(first):
        kind = layout.kinds[layout.blocks[block]]
        if block < len(layout.largest_up):
            staged = max(staged, base + layout.largest_up[block] + 2 * kind.ffn * column)
            staged = max(staged, base + layout.largest_down[block] + kind.ffn * column)
    if layout.experts and graph.settings.cpu_moe_layers:
        used, ffn = layout.experts.used, layout.experts.ffn
        largest = max(layout.largest_expert_down, default=0)
        staged = max(staged, 4 * graph.residual + graph.inputs + used * (ffn + layout.hidden) * column + largest)
    return staged


def _pipelined(graph: Graph, number: int) -> Buffers:
    """Several GPUs keep four copies of the inputs, so that they can work on four micro-batches at once."""
    copies = 4
    first = copies * (4 * graph.residual + graph.inputs) + graph.widest
    last = copies * graph.inputs + 11 * graph.residual + max(graph.widest, graph.logits)
    host = copies * graph.inputs + 10 * graph.residual
    return Buffers(gpus=(first, *[max(first, last)] * (number - 2), last), host=host)
