"""What llama.cpp knows about architectures beyond their metadata: which blocks have a window or a recurrent state.

Source: llama.cpp's `load_arch_hparams` of each architecture, state of 2026-10.
"""

from __future__ import annotations

from typing import NamedTuple

# Blocks i with i mod period < period - 1 have a sliding window.
WINDOW_PERIOD = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gemma4": 6,
    "gemma-embedding": 6,
    "gpt-oss": 2,
    "cohere2": 4,
    "olmo2": 4,
    "exaone4": 4,
    "exaone-moe": 4,
    "afmoe": 4,
    "llama4": 4,
    "mellum": 4,
}

# The dense block comes first: blocks i with i mod period != 0 have the window.
WINDOW_PERIOD_DENSE_FIRST = {"cohere2moe": 4, "laguna": 4, "smallthinker": 4, "modern-bert": 3}

# These ignore a window that their metadata names.
WINDOW_IGNORED = frozenset({"phi3", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "llama", "mistral3", "granite"})

# A window that the engine knows without metadata (llama4: chunked attention).
WINDOW_BUILT_IN = {"llama4": 8192}

# Only the model with that many blocks has windows.
WINDOW_ONLY_WITH_BLOCKS = {"exaone4": 64}

# Every `full_attention_interval`-th block attends, the others are gated delta nets.
DELTA_NET = frozenset({"qwen35", "qwen35moe", "qwen3next", "qwen4exp"})

# A block keeps a state exactly when it has no KV heads.
RECURRENT_WITHOUT_KV_HEADS = frozenset(
    {"granitehybrid", "lfm2", "lfm2moe", "jamba", "plamo2", "kimi-linear", "bailingmoe3"}
)

# As before, but a block with a feed-forward length is a plain MLP block.
RECURRENT_WITHOUT_KV_HEADS_AND_FFN = frozenset({"nemotron_h", "nemotron_h_moe"})

# Every block has both attention and a state.
PARALLEL_RECURRENT = frozenset({"falcon-h1"})

# Every block has a state, none attends.
PURE_RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv7", "rwkv6qwen2", "arwkv7"})

# RWKV from version 7 on.
KEYED_WKV = frozenset({"rwkv7", "arwkv7"})

# Every token sees every other one of its batch (diffusion, embeddings): nothing is kept from batch to batch.
WITHOUT_CACHE = frozenset(
    {"dream", "llada", "llada-moe", "rnd1", "gemma-embedding", "llama-embed", "t5encoder"}
    | {
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
    }
)

# Blocks without KV heads that are not recurrent still own rows of a transposed V cache.
CACHED_WITHOUT_HEADS = frozenset({"deci"})

# Blocks of a multi-token-prediction head get no row of the main KV cache.
MTP_WITHOUT_CACHE = frozenset({"qwen35", "qwen35moe", "step35", "hy_v3", "glm4moe"})

# Feed-forward without a gate: two matrices instead of three.
UNGATED = frozenset(
    {"nemotron", "nemotron_h", "nemotron_h_moe", "apertus", "starcoder2", "gptneox", "falcon", "phi2"}
)

# Copies of the residual stream that stay alive beside the feed-forward: attention runs next to it, or the router reads
# the block's input.
PARALLEL_RESIDUAL = {
    "cohere2": 1,
    "cohere2moe": 4,
    "phi2": 1,
    "falcon": 1,
    "smallthinker": 1,
    "plamo2": 1,
    "gemma3n": 1,
}

# So many copies of the residual stream are alive at least (Gemma 3n mixes four streams).
RESIDUAL_STREAMS = {"gemma3n": 16}

# A dense feed-forward runs while one more copy of the residual stream is alive (seen in dry runs).
RESIDUAL_BESIDE_DENSE = frozenset({"granitehybrid"})

# Networks that were given another's feed-forward: RWKV's time mix lies beside it (seen in dry runs).
TIME_MIX_BESIDE_FFN = {"arwkv7": 10}  # copies of the residual stream
STATES_BESIDE_FFN = frozenset({"rwkv6qwen2"})

# Attention scores are capped in a way that its fused kernel does not know: the engine computes them one by one.
NO_FLASH_ATTENTION = frozenset({"grok"})

# The tied output matrix is a second tensor for the engine: without a memory map it is a second copy.
TIED_OUTPUT_COPIED = frozenset({"gemma3n", "gemma4"})

# Every `full_attention_interval`-th block attends, the others have lightning attention.
LIGHTNING = frozenset({"minimax-01"})

# The output of attention is multiplied by a gate that is projected together with the queries.
GATED_ATTENTION = DELTA_NET

# The input of each expert is multiplied by its weight before the expert sees it.
WEIGHTED_EXPERT_INPUT = frozenset({"llama4"})

# Most of their models rotate positions with factors from a tensor.
ROPE_FACTORS = frozenset({"llama", "llama4", "phi3", "deci"})

# The number of leading blocks that own a KV cache, where the metadata does not say.
CACHE_OWNERS_BUILT_IN = {"gemma3n": 20}

# Compressed (absorbed) attention is stated by shape, but this one expands K and V before it caches them.
LATENT_EXPANDED = frozenset({"minicpm3"})


class State(NamedTuple):
    """Floats that one recurrent block keeps per conversation: convolution window and scan state."""

    conv: int
    scan: int


def ssm_state(conv_kernel: int, inner: int, groups: int, state: int) -> State:
    """The state of Mamba, Mamba-2 and gated delta nets."""
    return State((conv_kernel - 1) * (inner + 2 * groups * state), state * inner)


def short_conv_state(hidden: int, cache: int) -> State:
    """The state of LFM2's short convolutions."""
    return State(hidden * (cache - 1), 0)


def wkv_state(hidden: int, head_size: int, token_shifts: int) -> State:
    """The state of RWKV."""
    return State(token_shifts * hidden, hidden * head_size)


def kda_state(conv_kernel: int, heads: int, head_dim: int) -> State:
    """The state of Kimi delta attention."""
    return State(3 * (conv_kernel - 1) * heads * head_dim, head_dim * head_dim * heads)


def window_blocks(architecture: str, blocks: int, pattern: object = None) -> tuple[bool, ...] | None:
    """Which blocks have the sliding window; None when neither the pattern nor the architecture says so."""
    if architecture in WINDOW_IGNORED:
        return (False,) * blocks
    if isinstance(pattern, list | tuple) and len(pattern) >= blocks:
        return tuple(bool(entry) for entry in pattern[:blocks])
    if WINDOW_ONLY_WITH_BLOCKS.get(architecture, blocks) != blocks:
        return (False,) * blocks
    stated = pattern if isinstance(pattern, int) and not isinstance(pattern, bool) and pattern > 0 else None
    if architecture in WINDOW_PERIOD_DENSE_FIRST:
        period = stated or WINDOW_PERIOD_DENSE_FIRST[architecture]
        return tuple(block % period != 0 for block in range(blocks))
    period = stated or WINDOW_PERIOD.get(architecture, 0)
    if not period:
        return None
    return tuple(block % period < period - 1 for block in range(blocks))
