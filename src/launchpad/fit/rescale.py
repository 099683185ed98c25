"""The same network in another quantization: a `Layout` from the exact one of a sister file and the size of a file."""

from __future__ import annotations

from msgspec import structs

from launchpad.fit import weights
from launchpad.fit.layout import Layout


def rescaled(layout: Layout, quantization: str, size: int) -> Layout:
    """`layout` with `size` bytes of weights in `quantization`: the cache stays exact, the split of the weights is not.

    The embedding tables get the bits that this quantization gives them, the blocks what is left, in the proportions
    of the file that was read.
    """
    elements = layout.vocab * layout.hidden
    token_embd = _table(elements, quantization, size, output=layout.tied) or layout.token_embd
    per_layer = round(layout.per_layer_embd * size / max(1, layout.weights))
    output = (
        layout.output if layout.tied else _table(elements, quantization, size, output=True) or layout.output
    )
    left = max(0, size - token_embd - per_layer - output)
    share = left / max(1, sum(layout.block_weights))
    blocks = _scaled(layout.block_weights, share)
    return structs.replace(
        layout,
        block_weights=blocks,
        block_experts=_scaled(layout.block_experts, share),
        token_embd=token_embd,
        per_layer_embd=per_layer,
        output=output + max(0, left - sum(blocks)),  # what rounding down has left over
        weights_basis="formula",
        largest_up=_scaled(layout.largest_up, share),
        largest_down=_scaled(layout.largest_down, share),
        largest_expert_up=_scaled(layout.largest_expert_up, share),
        largest_expert_down=_scaled(layout.largest_expert_down, share),
        repack=int(sum(blocks) * weights.repacked_share(quantization)),
        quantization=quantization,
    )


def _table(elements: int, quantization: str, size: int, *, output: bool) -> int:
    """Bytes of an embedding table, 0 when its type is not known; never more than half of the file."""
    bits = weights.embedding_bits(quantization, output=output)
    return 0 if bits is None else min(int(elements * bits / 8), size // 2)


def _scaled(values: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(int(value * share) for value in values)
