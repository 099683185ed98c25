"""The feed-forward length of dense models, solved from their exact parameter count.

Everything else in the count is known: embeddings (once when tied, else twice), attention, norms. What is left must be
three matrices per layer. Accepted only when exactly one of tied and untied leaves a multiple of 64; otherwise unknown.
"""

from __future__ import annotations

from launchpad.catalog.model import Model

# Gated feed-forward networks, standard attention, nothing else of size in a layer.
ARCHITECTURES = {
    "llama",
    "qwen2",
    "qwen3",
    "granite",
    "phi3",
    "olmo2",
    "smollm3",
    "gemma2",
    "gemma3",
    "exaone",
    "glm4",
}
STEP = 64
TOLERANCE = 0.6  # of one unit of length: biases and norms that are not counted here


def solve(model: Model, exact: int | None) -> int | None:
    """The feed-forward length, or None when the facts do not settle it.

    Which of tied and untied it was is not kept: some repositories store a tied matrix twice.
    """
    shape = model.shape
    plain = (shape.mla, shape.recurrent, shape.moe, shape.kv_shared_layers) == (None, None, None, None)
    if exact is None or not plain or shape.architecture not in ARCHITECTURES or model.modalities != ("text",):
        return None
    figures = (shape.layers, shape.hidden_size, shape.attention_heads, shape.kv_heads, shape.head_dim_k)
    if shape.vocab_size is None or any(figure is None for figure in figures):
        return None
    layers, hidden, heads, kv_heads, head = (int(figure or 0) for figure in figures)
    attention = 2 * hidden * heads * head + 2 * hidden * kv_heads * head
    accepted = []
    for tied in (True, False):
        embeddings = shape.vocab_size * hidden * (1 if tied else 2)
        rest = exact - embeddings - hidden - layers * (attention + 2 * hidden)
        length = rest / (3 * layers * hidden)
        nearest = round(length / STEP) * STEP
        if nearest > hidden and abs(length - nearest) < TOLERANCE:
            accepted.append(nearest)
    return accepted[0] if len(accepted) == 1 else None
