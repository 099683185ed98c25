"""Compute buffers of llama.cpp: the scratch memory of its largest graph, reserved at start.

The formulas describe builds from b11300 on (2026-10) and are exact to a few KiB for most networks on one device. Those
before reserve more: see `FEW_OUTPUTS` and `older`.
A *column* is one 32-bit float for each token of a micro-batch.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from launchpad.fit.kv import FLOAT, KV_BLOCKS, Cells, cells, micro_batch
from launchpad.fit.layout import BlockKind, Layout
from launchpad.fit.result import KvType, Settings

HALF = 2
INDEX = 8  # bytes of one 64-bit index
TOKEN_INPUTS = 5  # columns of token ids, positions, outputs wanted and what aligns them

FEW_OUTPUTS = 9800  # llama.cpp's build from which its server computes logits for one token per slot, not for a whole batch
ONE_MASK = 9800  # from which a mask is made in 16 bits at once; before, a 32-bit one lies beside it


class Graph(Struct, frozen=True, kw_only=True):
    """The sizes, in bytes, that the buffers of every placement are sums of.

    `column` is one float per token, `residual` one copy of the residual stream, `inputs` what the host sets for each
    micro-batch, `per_layer` the per-layer embeddings, `widest` the widest live set of any block, `stacked` the room for
    image features that later blocks add.
    """

    layout: Layout
    settings: Settings
    column: int
    residual: int
    inputs: int
    per_layer: int
    widest: int
    stacked: int
    logits: int
    output: int  # those that are handed out, in main memory
    masks: int = 0  # bytes of the masks as builds before `ONE_MASK` keep them; 0 for those after


def outputs(settings: Settings, build: int | None) -> int:
    """Tokens for which a build reserves logits. None is a current build, 0 one that does not tell."""
    return settings.parallel if build is None or build >= FEW_OUTPUTS else micro_batch(settings)


def graph(
    layout: Layout, settings: Settings, outputs: int, *, converts_cache: bool, build: int | None = None
) -> Graph:
    """The sizes for one layout and one set of settings.

    `outputs` is the number of tokens for which logits are computed at once. `converts_cache` is True where attention
    reads quantized caches through a 16-bit copy.
    """
    sizes = cells(layout, settings)
    column = FLOAT * micro_batch(settings)
    residual = layout.hidden * column
    few = outputs < micro_batch(settings)
    kinds = (
        _of_last(kind) if few and not earlier else kind
        for kind, earlier in zip(layout.kinds, layout.kinds_before_last, strict=True)
    )
    blocks = (_block(layout, kind, settings, sizes, column, converts_cache) for kind in kinds)
    widest = max(blocks, default=0)
    stacked = 4 * (layout.deepstack + 1) * residual if layout.deepstack else 0
    if stacked and settings.flash_attention:
        # The room that the features leave behind holds a part of the feed-forward (seen in dry runs, on the CPU).
        widest = max(0, widest - (2 if layout.experts else 5) * residual)
    return Graph(
        layout=layout,
        settings=settings,
        column=column,
        residual=residual,
        inputs=_inputs(layout, settings, sizes, column // FLOAT),
        per_layer=layout.per_layer_width * layout.layers * column,
        widest=widest,
        stacked=stacked,
        logits=FLOAT * layout.vocab * outputs,
        output=FLOAT * layout.vocab * (outputs if build is None else settings.parallel),
        masks=0 if build is None or build >= ONE_MASK else _old_masks(layout, settings, sizes),
    )


def _of_last(kind: BlockKind) -> BlockKind:
    """The last block: its feed-forward sees only the tokens whose logits are wanted."""
    return kind if kind.recurrent else replace(kind, width=kind.attention_width)


def _old_masks(layout: Layout, settings: Settings, sizes: Cells) -> int:
    full = sizes.full if layout.has_full_attention else 0
    windowed = sizes.windowed if layout.has_windowed_attention else 0
    return (FLOAT + HALF) * micro_batch(settings) * (full + windowed)


def older(graph: Graph) -> int:
    """Bytes that builds before `ONE_MASK` take at least on the device that computes; 0 for those after."""
    return graph.masks + 5 * graph.residual if graph.masks else 0


def _inputs(layout: Layout, settings: Settings, sizes: Cells, tokens: int) -> int:
    """Attention masks, row indices of the caches, and the tokens themselves."""
    full = sizes.full if layout.has_full_attention else 0
    windowed = sizes.windowed if layout.has_windowed_attention else 0
    caches = (bool(full) + bool(windowed)) if layout.cached else 0
    if settings.flash_attention:
        masks, indices = HALF * (full + windowed), 2 * caches
    else:
        # V is stored transposed, so that each element of a row has its own index.
        masks, indices = FLOAT * (full + windowed), (1 + layout.widest_v) * caches
    inputs = tokens * (masks + INDEX * indices + FLOAT * TOKEN_INPUTS)
    if layout.indexer:
        # A mask and row indices of its own, and the matrix that rotates its keys.
        inputs += tokens * (HALF * full + INDEX) + FLOAT * layout.indexer**2
    if layout.decay_heads:
        # How queries and keys fade, and how each token fades for each later one of its conversation.
        inputs += FLOAT * tokens * layout.decay_heads * (2 + tokens // settings.parallel)
    return inputs


def _block(
    layout: Layout, kind: BlockKind, settings: Settings, sizes: Cells, column: int, converts_cache: bool
) -> int:
    """The widest live set of one block."""
    widest = kind.width * column
    states = FLOAT * settings.parallel * kind.scan_floats
    if kind.decay_heads:
        return max(widest, _lightning(kind, settings, layout.hidden, column, states))
    if 2 * states < layout.hidden * column:  # larger ones leave room behind for the feed-forward
        widest += kind.scan_beside * column
    if kind.scan_width:
        widest = max(widest, kind.scan_width * column + states)
    if not kind.attends:
        return widest
    number = sizes.windowed if kind.windowed else sizes.full
    if not settings.flash_attention:
        return max(widest, ((kind.heads or layout.heads) * number + kind.query_width) * column)
    if kind.scores and number > kind.scores.hidden:
        fits = number <= kind.scores.between_cells
        widest = max(widest, (kind.scores.between if fits else kind.scores.beside + number) * column)
    copied = _elements_copied(kind, settings.kv_type_k, settings.kv_type_v) if converts_cache else 0
    if copied:
        return max(widest, kind.copied_width * column + copied * number * sizes.streams * HALF)
    return widest


def _lightning(kind: BlockKind, settings: Settings, hidden: int, column: int, states: int) -> int:
    """Lightning attention: vectors as wide as the queries, old and new states, and two matrices of decay beside the
    input. From dry runs with 1 to 8 conversations and micro-batches of 64 to 2,048 tokens; a narrow one finds room in the residual.
    """
    queries = kind.scan_width * column
    each = column // FLOAT // settings.parallel
    vectors = (4 if kind.scan_width > hidden else 3) * queries + max(queries, 2 * states)
    return vectors + 2 * kind.decay_heads * each * column


def _elements_copied(kind: BlockKind, kv_type_k: KvType, kv_type_v: KvType) -> int:
    """Elements per cell that the GPU's attention kernel converts to 16 bits before it reads them."""
    k_dim = kind.k_dim if KV_BLOCKS[kv_type_k][0] > 1 else 0
    v_dim = kind.v_dim if KV_BLOCKS[kv_type_v][0] > 1 else 0
    return k_dim + v_dim


def on_cpu(graph: Graph) -> int:
    """Bytes of the one buffer of a placement without any GPU."""
    current = (
        5 * graph.residual
        + graph.stacked
        + graph.inputs
        + 2 * graph.per_layer
        + max(graph.widest, graph.logits)
    )
    return max(current, older(graph))


def on_gpu(graph: Graph) -> int:
    """Bytes on the GPU when every block is on it."""
    current = (
        4 * graph.residual + graph.stacked + graph.inputs + graph.per_layer + max(graph.widest, graph.logits)
    )
    return max(current, older(graph))


def beside_gpu(graph: Graph) -> int:
    """Bytes in pinned main memory when every block is on one GPU."""
    return 4 * graph.residual + graph.inputs + 2 * graph.per_layer
