"""Bytes of weights that a catalog does not state: bits per weight by quantization, and which matrices differ.

Only used where neither a file's header nor its size is known; a header always wins.
Source: sizes of published GGUF files of 2.5 billion parameters and more, medians (2026-08).
"""

from __future__ import annotations

# Bits per weight over a whole file.
BITS_PER_WEIGHT = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.51,
    "Q6_K": 6.57,
    "Q6_K_L": 6.7,
    "Q5_K_M": 5.69,
    "Q5_K_S": 5.54,
    "Q5_K_L": 5.8,
    "Q5_1": 6.0,
    "Q5_0": 5.54,
    "Q4_1": 5.05,
    "Q4_0": 4.62,
    "Q4_K_M": 4.87,
    "Q4_K_S": 4.64,
    "Q4_K_L": 5.0,
    "IQ4_NL": 4.6,
    "IQ4_XS": 4.35,
    "MXFP4": 4.4,
    "MXFP4_MOE": 4.4,
    "NVFP4": 4.6,
    "Q3_K_L": 4.25,
    "Q3_K_M": 3.92,
    "Q3_K_S": 3.55,
    "IQ3_M": 3.8,
    "IQ3_S": 3.6,
    "IQ3_XS": 3.45,
    "IQ3_XXS": 3.25,
    "Q2_K": 3.0,
    "Q2_K_L": 3.11,
    "Q2_K_S": 2.9,
    "IQ2_M": 2.9,
    "IQ2_S": 2.7,
    "IQ2_XS": 2.55,
    "IQ2_XXS": 2.4,
    "IQ1_M": 2.1,
    "IQ1_S": 1.9,
    "TQ1_0": 1.9,
    "TQ2_0": 2.2,
    "UD-IQ2_M": 2.81,
    "UD-Q2_K_XL": 3.14,
    "UD-Q3_K_XL": 4.0,
    "UD-Q4_K_XL": 4.91,
    "UD-Q5_K_XL": 5.69,
    "UD-Q6_K_XL": 7.04,
    "UD-Q8_K_XL": 9.46,
}

# Bits per weight of a tensor type (ggml's type table).
_Q8, _Q6_K, _Q5_K, _Q4_K, _Q3_K, _Q2_K = 8.5, 6.5625, 5.5, 4.5, 3.4375, 2.625
_FLOAT_BITS = {"F32": 32.0, "F16": 16.0, "BF16": 16.0}
_EMBEDDING_BITS = {
    "Q8": _Q8,
    "Q6": _Q6_K,
    "Q5": _Q5_K,
    "Q4": _Q4_K,
    "IQ4": _Q4_K,
    "MXFP4": _Q8,
    "NVFP4": _Q8,
    "FP8": 16.0,  # formats of safetensors leave the embedding as it was
    "AWQ": 16.0,
    "GPTQ": 16.0,
    "COMPRESSED": 16.0,
    "Q3": _Q3_K,
    "IQ3": _Q3_K,
    "Q2": _Q2_K,
    "IQ2": _Q2_K,
    "IQ1": _Q2_K,
    "TQ": _Q4_K,
}

# Share of the blocks' bytes whose type the CPU backend repacks (Q4_0, Q4_K, IQ4_NL).
_REPACKED = {
    "Q4_0": 1.0,
    "IQ4_NL": 1.0,
    "Q4_K_M": 0.8,
    "Q4_K_L": 0.8,
    "Q4_K_S": 0.95,
    "Q4_K_XL": 0.8,
    "Q3_K_L": 0.1,
}


def base_name(quantization: str) -> str:
    """The quantization without a re-quantizer's prefix."""
    return quantization.upper().removeprefix("UD-")


def bits_per_weight(quantization: str) -> float | None:
    """Bits per weight over a whole file, None for a quantization that is not in the table."""
    name = quantization.upper()
    return BITS_PER_WEIGHT.get(name) or BITS_PER_WEIGHT.get(base_name(name))


def embedding_bits(quantization: str, *, output: bool) -> float | None:
    """Bits per weight of the token embedding, or of the output matrix, which is kept finer."""
    name = base_name(quantization)
    if name in _FLOAT_BITS:
        return _FLOAT_BITS[name]
    bits = next((bits for prefix, bits in _EMBEDDING_BITS.items() if name.startswith(prefix)), None)
    if bits is None or not output:
        return bits
    return max(bits, _Q6_K)


def repacked_share(quantization: str) -> float:
    """Share of the blocks' bytes that the CPU backend copies into another order."""
    return _REPACKED.get(base_name(quantization), 0.0)
