"""How many floats per token are alive at once inside one block: what sizes llama.cpp's compute buffers.

Read from the graphs that llama.cpp builds (its allocator reuses a tensor's memory as soon as its last reader is
done) and checked against its dry runs.
"""

from __future__ import annotations

from typing import NamedTuple


class Attention(NamedTuple):
    """Floats per token alive during attention.

    `width` with a fused kernel, `query` while scores are materialized, `copied` while a converted copy of the cache
    is alive.
    """

    width: int
    query: int
    copied: int


def dense_ffn(ffn: int, hidden: int, *, gated: bool = True) -> int:
    """Feed-forward: gate, up and their product, or up and the result."""
    if not ffn:
        return 0
    return 3 * ffn if gated else ffn + hidden


def expert_ffn(used: int, ffn: int, hidden: int, *, gated: bool = True, weighted_input: bool = False) -> int:
    """Routed experts: the same, once for each expert in use; some scale the input per expert first."""
    if not gated:
        return used * ffn + used * hidden + hidden
    return 3 * used * ffn + (used * hidden if weighted_input or hidden > 2 * ffn else 0)


def attention(queries: int, k_dim: int, hidden: int, *, gated: bool = False) -> Attention:
    """Grouped-query attention; `queries` = heads · head size. A gate rides along with the queries until the end."""
    # Queries wider than the residual stream do not fit into memory that the block's input leaves behind.
    alive = 2 * queries if queries > hidden else queries
    gate = queries if gated else 0
    return Attention(2 * queries + 2 * k_dim, alive + gate, alive + 3 * gate)


def latent_attention(heads: int, nope: int, rope: int, rank: int) -> Attention:
    """Multi-head latent attention: queries, queries in the compressed space, and their concatenation."""
    width = heads * ((nope + rope) + rank + rope + (rank + rope))
    return Attention(width, width, width + heads * rank)


def selective_scan(inner: int, groups: int, state: int, heads: int) -> int:
    """Mamba and Mamba-2 before the scan: projections, convolution in and out."""
    conv = inner + 2 * groups * state
    return (inner + conv + heads) + 2 * conv


def delta_net(inner: int, groups: int, state: int) -> int:
    """Gated delta net before the scan: projections, convolution in and out."""
    return 2 * (inner + 2 * groups * state) + inner


def scan(inner: int) -> int:
    """Inputs and result of a recurrent scan, its states not counted."""
    return 4 * inner
