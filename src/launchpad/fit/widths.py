"""How many floats per token are alive at once inside one block: what sizes llama.cpp's compute buffers.

Read from the graphs that llama.cpp builds (its allocator reuses a tensor's memory as soon as its last reader is
done) and checked against its dry runs.
"""

from __future__ import annotations

from typing import NamedTuple

from launchpad.fit.architectures import State


class Attention(NamedTuple):
    """Floats per token alive during attention.

    `width` with a fused kernel, `query` while scores are materialized, `copied` while a converted copy of the cache
    is alive.
    """

    width: int
    query: int
    copied: int


def dense_ffn(ffn: int, *, gated: bool = True) -> int:
    """Feed-forward: gate, up and their product, or up alone: the result takes the place of the input."""
    return 3 * ffn if gated else ffn


def expert_ffn(used: int, ffn: int, hidden: int, *, gated: bool = True, weighted_input: bool = False) -> int:
    """Routed experts: the same, once for each expert in use; some scale the input per expert first."""
    if not gated:
        return used * (ffn + hidden)
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


def sparse_latent_attention(heads: int, rope: int, rank: int, feed_forward: int) -> Attention:
    """The same behind an indexer that chooses the cells (DeepSeek V3.2, GLM-5), with what the experts leave behind."""
    width = 2 * heads * (rank + rope) + feed_forward
    return Attention(width, width, width + heads * rank)


class Scores(NamedTuple):
    """The scores by which sparse attention chooses: one float per token and cell of the cache.

    Up to `hidden` cells they lie where the queries will be, up to `between_cells` where the compressed queries and the result
    will be, and the block is then `between` wide; beyond, they lie beside a block of the width `beside`.
    """

    hidden: int
    between_cells: int
    between: int
    beside: int


def scores(heads: int, nope: int, rope: int, rank: int, value: int) -> Scores:
    """Read off dry runs of DeepSeek V3.2 and GLM-5 at 17 contexts each; with other heads and sizes a few percent off."""
    beside = heads * (2 * (rank + rope) + 3 * nope)
    return Scores(heads * (nope + rope), heads * (rank + value), beside + heads * rank, beside)


class Recurrence(NamedTuple):
    """The state of a recurrent block, and floats alive: per token in its `mixer` and around its `scan`, and per
    conversation as `floats` of states beside the scan. `beside` is alive with the feed-forward behind them. `decays` are
    heads with matrices of how each token of a prompt fades for each later one.
    """

    state: State
    mixer: int = 0
    scan: int = 0
    floats: int = 0
    beside: int = 0
    decays: int = 0


def selective_scan(inner: int, groups: int, size: int, heads: int, state: State) -> Recurrence:
    """Mamba (no groups) and Mamba-2: projections, convolution in and out; then the scan with its states."""
    conv = inner + 2 * groups * size
    mixer = inner + 3 * conv + heads
    if not groups:
        return Recurrence(state, mixer, 5 * inner, sum(state))
    # One scan's result is alive while the next block projects: seen with a feed-forward between them, too.
    return Recurrence(state, mixer, mixer + inner, sum(state))


def scan_beside_attention(hidden: int, inner: int, groups: int, size: int, found: Recurrence) -> Recurrence:
    """Attention and Mamba-2 side by side (Falcon-H1): where the scan is narrower than the residual stream (the 34B), what it
    leaves behind is too small for that, and the feed-forward lies beside it. From dry runs of five such shapes.
    """
    return found._replace(beside=found.mixer + 2 * groups * size) if inner < hidden else found


def delta_net(inner: int, groups: int, size: int, state: State) -> Recurrence:
    """Gated delta net: projections, convolution in and out; then the scan with its states."""
    return Recurrence(state, 2 * (inner + 2 * groups * size) + inner, 4 * inner, _scan_states(state))


def lightning(heads: int, size: int) -> Recurrence:
    """Lightning attention (MiniMax-01): queries, keys and values of the width `scan`, states, and matrices of decay."""
    state = State(0, heads * size * size)
    return Recurrence(state, scan=heads * size, floats=state.scan, decays=heads)


def wkv(hidden: int, state: State, *, keyed: bool) -> Recurrence:
    """RWKV's time mix; since version 7 keys are normalized and removed from the state, which takes more vectors."""
    return Recurrence(state, 0, (15 if keyed else 10) * hidden, state.scan)


def _scan_states(state: State) -> int:
    """Old and new states are alive together, and part of them in a third, contiguous copy."""
    return state.scan * 5 // 2
