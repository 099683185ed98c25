"""What a vision projector takes beside its language model, from its own header, or from its size alone.

A projector's file holds a vision encoder and the matrices that turn its patches into tokens. The engine puts it on the first
GPU in use, else into main memory, and sizes its scratch memory for the largest image.
"""

from __future__ import annotations

from msgspec import structs

from launchpad.errors import BadModelFile
from launchpad.fit.figures import Figures
from launchpad.fit.from_gguf import Header
from launchpad.fit.layout import Projector
from launchpad.fit.memory import projector_terms
from launchpad.fit.result import Fit

FLOAT = 4
# Encoders that take images of any size: llama.cpp reserves for so many tokens, each merged from so many patches.
ANY_SIZE = frozenset({"qwen2vl_merger", "qwen2.5vl_merger", "qwen3vl_merger", "glm4v", "youtuvl"})
LARGEST_TOKENS = 46 * 46
MERGED_PATCHES = 4
# Copies of the encoder's residual stream that are alive beside the feed-forward of its widest block. With it, Qwen3-VL-8B
# needs 399 MiB beside its weights; llama.cpp says 397 (published log, CUDA).
RESIDUALS = 7
# Where the header was not read. llama.cpp's own estimates less the files' sizes, of published logs: 200 to 400 MiB for
# Gemma 4, Qwen3-VL and Qwen3.5.
RESERVE = 400 << 20


def projector_from_gguf(header: Header) -> Projector:
    """The projector that this header describes. Raises `BadModelFile` when it is none, or its figures cannot be true."""
    weights = sum(tensor.size for tensor in header.tensors)
    figures = Figures(header.metadata)
    if figures.architecture != "clip":
        raise BadModelFile(
            "the file is no vision projector", why=f"its architecture is {figures.architecture[:40]!r}"
        )
    if figures.raw("vision.embedding_length") is None:  # an encoder of sound alone
        return projector_of_size(weights)
    width = figures.count("vision.embedding_length", least=1)
    alive = figures.count("vision.feed_forward_length", 4 * width) + RESIDUALS * width
    return Projector(weights=weights, compute=FLOAT * _patches(header, figures) * alive, basis="formula")


def projector_of_size(size: int) -> Projector:
    """A projector of which no more is known than the size of its file."""
    return Projector(weights=size, compute=RESERVE, basis="reserve")


def with_projector(fit: Fit, projector: Projector) -> Fit:
    """The fit with the projector on its first device, unless it counts one already."""
    if not fit.devices or any(device.term("projector") for device in fit.devices):
        return fit
    first, *rest = fit.devices
    first = structs.replace(first, terms=(*first.terms, *projector_terms(projector)))
    return structs.replace(fit, devices=(first, *rest))


def _patches(header: Header, figures: Figures) -> int:
    """Patches of the largest image that is encoded at once."""
    kind = header.metadata.get("clip.vision.projector_type", header.metadata.get("clip.projector_type"))
    if kind in ANY_SIZE:
        return LARGEST_TOKENS * MERGED_PATCHES
    side = figures.count("vision.image_size", least=1) // figures.count("vision.patch_size", least=1)
    return side * side
