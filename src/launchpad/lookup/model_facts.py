"""What the header or configuration of a model says, wherever it lies, as the catalog and the fit take it."""

from __future__ import annotations

from msgspec import Struct

from launchpad.catalog.gguf_shape import shape_of
from launchpad.catalog.hub_config import HubConfig
from launchpad.catalog.model import Build, Model, Shape
from launchpad.errors import BadModelFile
from launchpad.fit import Layout, layout_from_gguf, layout_from_model
from launchpad.gguf import GGUFHeader

# `general.file_type` of llama.cpp (enum llama_ftype): the mix of types that the file was quantized to.
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
_BITS = {"BF16": 16, "F16": 16, "F32": 32}


class ModelFacts(Struct, frozen=True, kw_only=True):
    """A model's own word. `size` in bytes over all files (GGUF) or of all tensors (safetensors), `context` in tokens.

    `overhead` are the bytes of the files that are not tensors. `layout` is None when a figure is missing without which
    nothing can be computed.
    """

    name: str | None
    shape: Shape
    quantization: str | None
    size: int
    parameters: float | None
    context: int | None
    layout: Layout | None
    overhead: int = 0


def facts_of_gguf(header: GGUFHeader) -> ModelFacts:
    """What a GGUF header says, all shards joined. Raises `BadModelFile` when it cannot be a model."""
    layout = layout_from_gguf(header)
    name = header.metadata.get("general.name")
    context = header.metadata.get(f"{layout.architecture}.context_length")
    kind = header.metadata.get("general.file_type")
    return ModelFacts(
        name=name if isinstance(name, str) and name else None,
        shape=shape_of(header.metadata, layout.architecture),
        quantization=_FILE_TYPES.get(kind) if isinstance(kind, int) else None,
        size=header.size,
        parameters=float(sum(_elements(tensor.dims) for tensor in header.tensors)),
        context=context if isinstance(context, int) and context > 0 else None,
        layout=layout,
        overhead=header.size - header.tensor_bytes,
    )


def facts_of_config(config: HubConfig, size: int) -> ModelFacts:
    """What `config.json` says of weights of `size` bytes. Raises `BadModelFile` when there are no weights."""
    if not size:
        raise BadModelFile("The model has no weights.", why="Its safetensors files hold no tensor.")
    bits = _BITS.get(config.quantization or "")
    parameters = size * 8 / bits if bits else None
    build = Build(
        ref="",
        format="safetensors",
        quantization=config.quantization or "unknown",
        size=size,
        size_exact=True,
    )
    model = Model(id="", name="", lab="", lab_id="", shape=config.shape, parameters=parameters)
    layout = layout_from_model(model, build)
    return ModelFacts(
        name=None,
        shape=config.shape,
        quantization=config.quantization,
        size=size,
        parameters=parameters,
        context=config.context,
        layout=layout if isinstance(layout, Layout) else None,
    )


def _elements(dims: tuple[int, ...]) -> int:
    product = 1
    for dim in dims:
        product *= dim
    return product
