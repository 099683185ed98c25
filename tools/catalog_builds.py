"""Which builds of a model the catalog offers: a ladder of quantizations, the best repository for each rung."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.catalog.packed import PackedBuilds, PackedRepo, PackedSize

Record = Mapping[str, Any]

GIB = 2**30

# One build per rung, the first that exists. Anything else stays reachable as an explicit `hf://repo:QUANT`.
LADDER = (
    ("BF16", "F16"),
    ("Q8_0", "UD-Q8_K_XL"),
    ("Q6_K", "UD-Q6_K_XL"),
    ("Q5_K_M", "UD-Q5_K_XL", "Q5_K_S"),
    ("MXFP4", "MXFP4_MOE"),
    ("Q4_K_M", "UD-Q4_K_M"),
    ("UD-Q4_K_XL",),
    ("Q4_0",),
    ("IQ4_XS", "UD-IQ4_XS", "Q4_K_S", "IQ4_NL"),
    ("Q3_K_M", "UD-Q3_K_XL", "UD-Q3_K_M", "Q3_K_L"),
    ("UD-IQ3_XXS", "IQ3_XXS", "IQ3_XS", "Q3_K_S"),
    ("UD-Q2_K_XL", "Q2_K_L", "Q2_K"),
    ("UD-IQ2_M", "IQ2_M"),
    ("UD-IQ2_XXS", "IQ2_XXS", "IQ2_XS"),
    ("UD-IQ1_M", "UD-IQ1_S", "IQ1_M", "IQ1_S"),
)
CONVERTERS = ("unsloth", "ggml-org", "bartowski", "lmstudio-community")  # well known, in order of preference

_OLLAMA_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_OLLAMA_QUANT = re.compile(r"(?:^|-)(q\d[a-z0-9_]*|fp16|bf16|f16|int4|int8|mxfp[48]|nvfp4)$", re.IGNORECASE)


def builds(record: Record) -> PackedBuilds:
    """All builds of one record."""
    return PackedBuilds(
        gguf=_gguf(record),
        safetensors=_safetensors(record),
        ollama=_ollama(record),
        modelscope=record["modelscope_id"],
    )


def _gguf(record: Record) -> dict[str, PackedRepo]:
    offers = list(_offers(record))
    chosen: dict[str, dict[str, PackedSize]] = {}
    for rung in LADDER:
        found = next((own for quant in rung if (own := [o for o in offers if o[1] == quant])), None)
        if found is not None:
            _, quant, repo, size = min(found, key=lambda offer: offer[0])
            chosen.setdefault(repo, {})[quant] = size
    owner = _owner(record["hf_repo"])
    return {
        repo: PackedRepo(sizes=sizes, official=_owner(repo) == owner)
        for repo, sizes in sorted(chosen.items())
    }


def _offers(record: Record) -> Iterator[tuple[tuple[int, bool, int, str], str, str, PackedSize]]:
    """(preference, quantization, repository, size) of every file set that the facts know; least is best."""
    owner = _owner(record["hf_repo"])
    for entry in record["gguf"] or ():
        repo = entry["repo"]
        if repo.startswith("models/"):
            continue  # a mirror's own path, not a repository
        maker = _owner(repo)
        official = maker == owner
        known = official or maker in CONVERTERS
        rank = 0 if official else CONVERTERS.index(maker) + 1 if known else len(CONVERTERS) + 1
        for file in entry["quants"] or ():
            size = _size(file)
            inexact = not (isinstance(size, int))
            yield (0 if known else 1, inexact, rank, repo), file["quant"].upper(), repo, size


def _size(file: Record) -> PackedSize:
    """Bytes as an int when exact; as a one-element tuple when rounded; None when unknown."""
    if file["size_bytes"]:
        return int(file["size_bytes"])
    rounded = file["size_gib_rounded"]
    return (round(rounded * GIB),) if rounded else None


def _owner(repo: str) -> str:
    return repo.partition("/")[0].lower()


def _safetensors(record: Record) -> dict[str, str]:
    """Repository -> quantization. The original comes first; its number format is not in the facts."""
    repos = {record["hf_repo"]: "original"}
    for native in record["native_quants"] or ():
        repos.setdefault(native["repo"], native["format"])
    return repos


def _ollama(record: Record) -> dict[str, tuple[str, PackedSize]]:
    """Tag -> (quantization, size); tags that name the same blob once, cloud and MLX tags not at all."""
    tags = [
        tag
        for tag in record["ollama"] or ()
        if (tag["size"] or tag["size_bytes"]) and "mlx" not in tag["tag"]
    ]
    by_digest: dict[str, str] = {}
    for tag in tags:
        if tag["digest"] and (quant := _tag_quant(tag)):
            by_digest.setdefault(tag["digest"], quant)
    seen: set[str] = set()
    result: dict[str, tuple[str, PackedSize]] = {}
    for tag in tags:
        digest = tag["digest"]
        if digest and digest in seen:
            continue
        seen.add(digest or tag["tag"])
        quant = _tag_quant(tag) or by_digest.get(digest or "") or "unknown"
        result[tag["tag"]] = (quant, _ollama_size(tag))
    return result


def _tag_quant(tag: Record) -> str | None:
    if tag["quant"]:
        return str(tag["quant"]).upper()
    found = _OLLAMA_QUANT.search(tag["tag"].partition(":")[2])
    return found[1].upper().replace("FP16", "F16") if found else None


def _ollama_size(tag: Record) -> PackedSize:
    if tag["size_bytes"]:
        return int(tag["size_bytes"]) + int(tag["projector_bytes"] or 0)
    number, unit = re.fullmatch(r"([\d.]+)\s*([KMGT]B)", tag["size"]).groups()  # type: ignore[union-attr]  # refused by the check of facts
    return (round(float(number) * _OLLAMA_UNITS[unit]),)
