"""The shape that a GGUF header states, for architectures whose layers are all alike: PURE.

Of others (sliding windows, recurrent layers) only the name is taken: a part of their figures would be a wrong one, and
the layout that is read from the whole header says it all once the file is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.catalog.model import Moe, MultiHeadLatent, Shape

_SPECIAL = (
    "attention.sliding_window",
    "attention.shared_kv_layers",
    "attention.indexer.key_length",
    "ssm.state_size",
    "ssm.conv_kernel",
    "shortconv.l_cache",
    "wkv.head_size",
    "kda.head_dim",
    "full_attention_interval",
)


def shape_of(metadata: Mapping[str, object], architecture: str) -> Shape:
    """The shape; of a special architecture, or one with figures missing, the architecture alone."""

    def figure(key: str) -> int | None:
        value = metadata.get(f"{architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    layers, hidden = figure("block_count"), figure("embedding_length")
    heads = figure("attention.head_count")
    if any(f"{architecture}.{key}" in metadata for key in _SPECIAL) or not (layers and hidden and heads):
        return Shape(architecture=architecture)
    kv_heads = metadata.get(f"{architecture}.attention.head_count_kv", heads)
    if not isinstance(kv_heads, int):
        return Shape(architecture=architecture)  # a figure per layer
    lora, rope = figure("attention.kv_lora_rank"), figure("rope.dimension_count")
    if lora and not rope:
        return Shape(architecture=architecture)
    experts = figure("expert_count")
    return Shape(
        architecture=architecture,
        layers=layers,
        hidden_size=hidden,
        attention_heads=heads,
        kv_heads=kv_heads,
        head_dim_k=figure("attention.key_length") or hidden // heads,
        head_dim_v=figure("attention.value_length") or hidden // heads,
        ffn=figure("feed_forward_length"),
        vocab_size=figure("vocab_size"),
        mla=MultiHeadLatent(kv_lora_rank=lora, qk_rope_head_dim=rope) if lora and rope else None,
        moe=Moe(
            experts=experts,
            experts_used=figure("expert_used_count"),
            shared_experts=figure("expert_shared_count"),
            expert_ffn=figure("expert_feed_forward_length"),
            leading_dense_layers=figure("leading_dense_block_count"),
        )
        if experts
        else None,
    )
