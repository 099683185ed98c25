"""The one internal picture of a network that all fit arithmetic works on.

It is built from a GGUF header (`from_gguf`, exact) or from a catalog's `Shape` (`from_shape`, approximate where
the catalog is silent); nothing below this type knows which of the two it was.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate

from msgspec import Struct

from launchpad.fit.architectures import WITHOUT_CACHE
from launchpad.fit.result import Basis
from launchpad.fit.widths import Scores


class BlockKind(Struct, frozen=True, kw_only=True):
    """What blocks of one kind keep per token or per conversation, and how wide their activations are.

    `heads` are those of the queries (0 = as many as the model's most). `k_dim` and `v_dim` count elements of one cell of the KV cache (0 = none). `conv_state` and `scan_state` count
    floats that a recurrent block keeps per conversation. All widths are floats per token that are alive at once:
    `width` in the widest place of the block, `scan_width` around a recurrent scan; `scan_floats` are those of the states
    that are alive with it, per conversation; `scan_beside` is alive beside the feed-forward while those states are small.
    Again per token,
    `query_width` while attention scores are materialized, `copied_width` while a converted copy of the cache is
    alive. `ffn` is the feed-forward length of a dense block. `scores` is set where sparse attention scores every cell first. `decay_heads` are
    those of lightning attention; `scan_width` is then the width of its queries alone. `attention_width` is that of `width` which
    attention alone takes.
    """

    heads: int = 0
    k_dim: int = 0
    v_dim: int = 0
    windowed: bool = False
    conv_state: int = 0
    scan_state: int = 0
    width: int = 0
    attention_width: int = 0
    scan_width: int = 0
    scan_floats: int = 0
    scan_beside: int = 0
    query_width: int = 0
    copied_width: int = 0
    scores: Scores | None = None
    ffn: int = 0
    decay_heads: int = 0

    @property
    def attends(self) -> bool:
        """True when blocks of this kind read a KV cache of their own."""
        return self.k_dim > 0

    @property
    def recurrent(self) -> bool:
        """True when blocks of this kind keep a recurrent state."""
        return self.conv_state + self.scan_state > 0


class Experts(Struct, frozen=True, kw_only=True):
    """The routed experts: how many there are, how many one token uses, and their feed-forward length."""

    total: int
    used: int
    ffn: int


class Projector(Struct, frozen=True, kw_only=True):
    """The vision projector that goes with a model: bytes of its file's tensors, and of its scratch memory.

    `basis` is what the figure of the scratch memory rests on.
    """

    weights: int
    compute: int
    basis: Basis


class Layout(Struct, frozen=True, kw_only=True, dict=True):
    """A network as an engine lays it out in memory. Bytes, floats or counts, as named.

    `blocks[i]` indexes `kinds`; `block_weights[i]` are the bytes of block i, of which `block_experts[i]` belong to
    routed experts. Blocks of a multi-token-prediction head count in `-ngl` but weigh nothing: they are not loaded.
    `largest_up`, `largest_down` and their `expert` twins are bytes of the largest single matrix per block: they size
    the staging space of partial offload. `repack` is the part of all block weights that the CPU backend copies into
    another order. `deepstack` counts the blocks that get features of images besides the first. `indexer` counts the elements of
    the keys by which sparse attention chooses cells. `rope_factors` is True when positions are rotated with factors from a tensor.
    """

    architecture: str
    hidden: int
    vocab: int
    heads: int
    kinds: tuple[BlockKind, ...]
    blocks: tuple[int, ...]
    block_weights: tuple[int, ...]
    block_experts: tuple[int, ...]
    token_embd: int
    output: int
    tied: bool
    weights_basis: Basis = "exact"
    per_layer_embd: int = 0
    per_layer_width: int = 0
    deepstack: int = 0
    window: int = 0
    mla: bool = False
    indexer: int = 0
    rope_factors: bool = False
    experts: Experts | None = None
    largest_up: tuple[int, ...] = ()
    largest_down: tuple[int, ...] = ()
    largest_expert_up: tuple[int, ...] = ()
    largest_expert_down: tuple[int, ...] = ()
    repack: int = 0
    parameters_active: float | None = None
    quantization: str | None = None
    gqa: float = 4.0
    projector: Projector | None = None
    notes: tuple[str, ...] = ()

    @property
    def layers(self) -> int:
        """Number of blocks, those of a multi-token-prediction head included."""
        return len(self.blocks)

    @cached_property
    def weights(self) -> int:
        """Bytes of everything that is loaded."""
        return self.token_embd + self.per_layer_embd + self.output + sum(self.block_weights)

    @cached_property
    def cumulative_weights(self) -> tuple[int, ...]:
        """Bytes of the first i blocks, for i from 0 to all."""
        return (0, *accumulate(self.block_weights))

    @cached_property
    def cumulative_experts(self) -> tuple[int, ...]:
        """Bytes of the experts of the first i blocks, for i from 0 to all."""
        return (0, *accumulate(self.block_experts))

    @cached_property
    def cumulative_kinds(self) -> tuple[tuple[int, ...], ...]:
        """For each kind, how many of the first i blocks are of it, for i from 0 to all."""
        return tuple(
            (0, *accumulate(int(block == kind) for block in self.blocks)) for kind in range(len(self.kinds))
        )

    @cached_property
    def kinds_before_last(self) -> tuple[bool, ...]:
        """For each kind, whether a block of it comes before the last one that is loaded."""
        last = max((block for block, weight in enumerate(self.block_weights) if weight), default=0)
        return tuple(self.count(kind, 0, last) > 0 for kind in range(len(self.kinds)))

    def count(self, kind: int, start: int, stop: int) -> int:
        """How many blocks of that kind lie in start ≤ i < stop."""
        sums = self.cumulative_kinds[kind]
        return sums[stop] - sums[start]

    @property
    def cached(self) -> bool:
        """False when no token is attended to after its own batch."""
        return self.architecture not in WITHOUT_CACHE

    @property
    def host_weights(self) -> int:
        """Bytes that stay in main memory whatever is offloaded: the embedding tables."""
        return self.token_embd + self.per_layer_embd

    @property
    def output_weights(self) -> int:
        """Bytes of the output layer on the device that computes it; a tied embedding is copied there."""
        return self.output + (self.token_embd if self.tied else 0)

    @cached_property
    def has_full_attention(self) -> bool:
        """True when some block attends to the whole context."""
        return any(kind.attends and not kind.windowed for kind in self.kinds)

    @cached_property
    def has_windowed_attention(self) -> bool:
        """True when some block attends to a sliding window only."""
        return any(kind.attends and kind.windowed for kind in self.kinds)

    @cached_property
    def widest_v(self) -> int:
        """Elements of the widest V row of any block."""
        return max((kind.v_dim for kind in self.kinds), default=0)

    @cached_property
    def widest_ffn(self) -> int:
        """The largest feed-forward length of any dense block."""
        return max((kind.ffn for kind in self.kinds), default=0)

    @cached_property
    def decay_heads(self) -> int:
        """Heads of lightning attention, 0 without any."""
        return max((kind.decay_heads for kind in self.kinds), default=0)

    @cached_property
    def recurrent(self) -> bool:
        """True when some block keeps a recurrent state."""
        return any(kind.recurrent for kind in self.kinds)
