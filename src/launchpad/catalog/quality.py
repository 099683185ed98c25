"""What quantization costs, from published measurements: PURE. How quality itself is rated: docs/explanation/quality.md.

The figures rest on one study that ran the whole MMLU on the same model in 22 GGUF quantizations, and a part of it in ten of a model
of the same family that is almost nine times as large (Llama 3 Instruct 8B and 70B,
https://github.com/matt-c1/llama-3-quant-comparison). Loss here is the lost share of the answers beyond guessing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from launchpad.catalog.model import Build, Model

REFERENCE_PARAMETERS = 8.03e9  # of the model that `_LOSS` was measured on

# Lost share at 8.03 billion parameters: 1 - (MMLU - 25) / (65.20 - 25).
_LOSS = {
    "Q8_0": 0.001,  # measured 0 within the noise; llama.cpp's KL divergence 0.0014 says: not quite
    "Q6_K": 0.003,
    "Q5_K_M": 0.007,
    "Q5_K_S": 0.008,
    "Q4_K_M": 0.014,
    "Q4_K_S": 0.015,
    "IQ4_XS": 0.020,
    "IQ4_NL": 0.022,
    "Q3_K_L": 0.058,
    "Q3_K_M": 0.059,
    "IQ3_M": 0.066,
    "IQ3_S": 0.076,
    "IQ3_XS": 0.100,
    "IQ3_XXS": 0.116,
    "Q3_K_S": 0.151,
    "IQ2_M": 0.190,
    "Q2_K": 0.231,
    "IQ2_S": 0.279,
    "IQ2_XS": 0.379,
    "IQ2_XXS": 0.540,
    "IQ1_M": 0.905,
    "IQ1_S": 0.963,
    # Not in the study. Placed by their KL divergence among those that are, in llama.cpp's table for Llama 3 8B
    # (tools/perplexity/README.md): Q5_1 0.018, Q5_0 0.022, Q4_1 and Q4_0 0.072.
    "Q5_1": 0.009,
    "Q5_0": 0.011,
    "Q4_1": 0.057,
    "Q4_0": 0.057,
    # Safetensors formats: "Give Me BF16 or Give Me Death?" (arXiv:2411.02355) finds FP8 lossless, INT8 to lose
    # 1-3 % and INT4 weights to rival INT8.
    "FP8": 0.0,
    "INT8": 0.02,
    "INT4": 0.02,
}
_LOSSLESS = {"BF16", "F16", "FP16", "F32", "ORIGINAL", "NATIVE"}
_TRAINED_IN = {
    "gpt-oss": "MXFP4"
}  # architectures whose weights were made in a type that others are only converted to

# In the nine quantizations that both were run in, the 70B model loses 0.24 to 0.43 times as much as the 8B model, median
# 0.31: ln(0.31) / ln(70.6 / 8.03) = -0.54. (The 70B model was not run unquantized; 80.94 is its Q5_K_M result, 80.82,
# with the loss that this law gives Q5_K_M added back.)
_SIZE_EXPONENT = -0.54
_MOST = 0.97
LARGEST_MEASURED = 70.6e9
_SCATTER = 0.25  # standard deviation of those nine ratios, 0.07, over their median

_SAFETENSORS = {"AWQ": "INT4", "GPTQ": "INT4", "QAT": "INT4"}
_MIXES = {  # re-quantizers' own mixes: at least as good as the plain type that they start from
    "Q2_K_L": "Q2_K",
    "Q2_K_XL": "Q2_K",
    "Q2_K_S": "IQ2_S",
    "Q3_K_XL": "Q3_K_L",
    "Q4_K_L": "Q4_K_M",
    "Q4_K_XL": "Q4_K_M",
    "Q5_K_L": "Q5_K_M",
    "Q5_K_XL": "Q5_K_M",
    "Q6_K_L": "Q6_K",
    "Q6_K_S": "Q6_K",
    "Q6_K_M": "Q6_K",
    "Q6_K_XL": "Q6_K",
    "Q8_K_L": "Q8_0",
    "Q8_K_XL": "Q8_0",
}


def loss_of(build: Build, model: Model) -> float | None:
    """The share of the model's quality that this build loses; None where nobody has measured its quantization."""
    if _plain(build.quantization) == _TRAINED_IN.get(model.shape.architecture or ""):
        return 0.0
    return quantization_penalty(build.quantization, model.parameters)


def doubt_of(build: Build, model: Model) -> float:
    """How far `loss_of` may be off."""
    if not loss_of(build, model):
        return 0.0
    return quantization_spread(build.quantization, model.parameters, model.parameters_active)


def quantization_penalty(quantization: str, parameters: float | None) -> float | None:
    """Share of the model's quality that is lost, 0 to 0.97: a model of quality q keeps q * (1 - penalty).

    `parameters` is the total count (of a mixture of experts, too); None counts as the reference size. None is
    returned for a quantization that nobody has measured.
    """
    name = _plain(quantization)
    if name in _LOSSLESS:
        return 0.0
    loss = _LOSS.get(name)
    if loss is None:
        return None
    size = parameters if parameters and parameters > 0 else REFERENCE_PARAMETERS
    return float(min(loss * (size / REFERENCE_PARAMETERS) ** _SIZE_EXPONENT, _MOST))


def quantization_spread(
    quantization: str, parameters: float | None, parameters_active: float | None = None
) -> float:
    """How far `quantization_penalty` may be off, as a share of the quality; 0 for what is lossless or not measured.

    Within the sizes that were measured, what the measurements scatter by. Outside, the penalty is an extrapolation, and
    the other reading is that it stops at the last size measured. Mixtures of experts were not measured at all: the other
    reading is that one behaves like a dense model of the geometric mean of its total and active parameters.
    """
    loss = quantization_penalty(quantization, parameters)
    if not loss:
        return 0.0
    size = parameters if parameters and parameters > 0 else REFERENCE_PARAMETERS
    other = min(max(size, REFERENCE_PARAMETERS), LARGEST_MEASURED)
    if parameters_active and parameters_active < size:
        other = min(other, (size * parameters_active) ** 0.5)
    other_loss = quantization_penalty(quantization, other) or 0.0
    return _SCATTER * loss + abs(other_loss - loss)


@lru_cache(maxsize=1024)
def _plain(quantization: str) -> str:
    """The measured type behind a label: `UD-Q4_K_XL` is a Q4_K_M, `INT4 (W4A16)` an INT4, `fp16` an FP16."""
    name = re.sub(r"\s*\(.*\)$", "", quantization.strip().upper()).removeprefix("UD-")
    name = _SAFETENSORS.get(name, name)
    return _MIXES.get(name, name)
