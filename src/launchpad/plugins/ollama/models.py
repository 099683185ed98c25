"""What an Ollama server holds, as launchpad sees it. What it says of a model is kept by the model's digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from launchpad.plugins import LocalModel, Shape, cache_dir, shape_of
from launchpad.plugins.ollama.client import Server, weights_in
from launchpad.plugins.ollama.names import is_cloud, is_ours, mark_of, ref_of

CACHE = "ollama-models.json"
KEPT = 500  # models whose facts are kept
_QUIET = ("", "unknown")


class Shown(Struct, frozen=True, kw_only=True):
    """What `/api/show` says of one model. `parameters` counts; `num_ctx` is the context that the model file sets."""

    quantization: str | None = None
    context: int | None = None
    num_ctx: int | None = None
    parameters: float | None = None
    capabilities: tuple[str, ...] = ()
    weights: str | None = None
    shape: Shape = Shape()


def read_show(found: Mapping[str, Any]) -> Shown:
    """The facts in an answer of `/api/show`. `parameters` is text there, its lines in no order."""
    info = found.get("model_info") or {}
    architecture = str(info.get("general.architecture") or "")
    details = found.get("details") or {}
    quantization = str(details.get("quantization_level") or "")
    return Shown(
        quantization=None if quantization.lower() in _QUIET else quantization,
        context=_count(info.get(f"{architecture}.context_length")),
        num_ctx=_parameter(str(found.get("parameters") or ""), "num_ctx"),
        parameters=_count(info.get("general.parameter_count")),
        capabilities=tuple(str(word) for word in found.get("capabilities") or ()),
        weights=weights_in(found),
        shape=shape_of(info, architecture),
    )


def local_models(server: Server) -> dict[str, tuple[LocalModel, Shown]]:
    """By Ollama's name, what the store holds that can run here; not what runs in the cloud, nor our own aliases."""
    cache = _Cache(server.address.url)
    found = {}
    for model in server.tags():
        tag = str(model["model"])
        if is_cloud(tag) or mark_of(tag) or not model.get("size"):
            continue
        shown = cache.get(str(model.get("digest") or ""), tag, server)
        found[tag] = (_local(tag, model, shown), shown)
    cache.save()
    return found


def _local(tag: str, model: Mapping[str, Any], shown: Shown) -> LocalModel:
    return LocalModel(
        ref=ref_of(tag),
        path="",
        size=int(model["size"]),
        format="ollama",
        owner="launchpad in ollama" if is_ours(tag) else "ollama",
        quantization=shown.quantization,
        context=shown.context,
        capabilities=shown.capabilities,
    )


class _Cache:
    """Answers of `/api/show` by digest: they are large, and a digest never comes to mean something else."""

    def __init__(self, url: str) -> None:
        self._path = cache_dir() / CACHE
        self._kept = _load(self._path)
        self._new = False

    def get(self, digest: str, tag: str, server: Server) -> Shown:
        import msgspec

        try:
            return msgspec.convert(self._kept[digest], Shown)
        except (KeyError, msgspec.ValidationError):
            shown = read_show(server.show(tag))
            if digest:
                self._kept[digest] = msgspec.to_builtins(shown)
                self._new = True
            return shown

    def save(self) -> None:
        if not self._new:
            return
        newest = dict(list(self._kept.items())[-KEPT:])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(newest))
            draft.replace(self._path)
        except OSError:
            return  # it is only a cache


def _load(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _parameter(text: str, name: str) -> int | None:
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return None
