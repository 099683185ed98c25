"""The packaged catalog's file form: models as they are, builds folded by repository. PURE.

Written out, the builds are most of the bytes and say the same thing over and over; folded, the whole file stays small
and one line of a diff is one model.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from launchpad.catalog.model import Build, Format, Model

# An int is exact bytes, a one-element tuple a rounded figure, None unknown.
PackedSize = int | tuple[int] | None

SCHEMA = 1


class PackedRepo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GGUF builds in one repository: quantization -> size."""

    sizes: dict[str, PackedSize]
    official: bool = False


class PackedBuilds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All builds of one model. `safetensors` maps repositories (the original first) to quantizations, `ollama` maps
    tags to (quantization, size); `more` are builds written in full.
    """

    gguf: dict[str, PackedRepo] = {}
    safetensors: dict[str, str] = {}
    ollama: dict[str, tuple[str, PackedSize]] = {}
    modelscope: str | None = None
    more: tuple[Build, ...] = ()


class PackedModel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the file."""

    model: Model
    builds: PackedBuilds = PackedBuilds()


class PackedCatalog(Struct, frozen=True, kw_only=True):
    """The whole file. `date` (YYYY-MM-DD) is the day that the data speaks of."""

    schema: int
    date: str
    models: tuple[PackedModel, ...]


def unfold(packed: PackedModel) -> Model:
    """The model with its builds."""
    return msgspec.structs.replace(packed.model, builds=tuple(_builds(packed)))


def _builds(packed: PackedModel) -> Iterator[Build]:
    folded = packed.builds
    yield from folded.more
    for repo, entry in folded.gguf.items():
        for quantization, size in entry.sizes.items():
            yield _build(f"hf://{repo}:{quantization}", "gguf", quantization, size, official=entry.official)
    original = packed.model.hf_repo
    for repo, quantization in folded.safetensors.items():
        yield _build(f"hf://{repo}", "safetensors", quantization, None, official=_same_owner(repo, original))
    if folded.modelscope:
        yield _build(f"modelscope://{folded.modelscope}", "safetensors", "original", None, official=True)
    for tag, (quantization, size) in folded.ollama.items():
        yield _build(f"ollama://{tag}", "ollama", quantization, size)


def _same_owner(repo: str, original: str | None) -> bool:
    return original is not None and repo.partition("/")[0].lower() == original.partition("/")[0].lower()


def _build(ref: str, form: Format, quantization: str, size: PackedSize, *, official: bool = False) -> Build:
    return Build(
        ref=ref,
        format=form,
        quantization=quantization,
        size=size[0] if isinstance(size, tuple) else size,
        size_exact=isinstance(size, int),
        official=official,
    )
