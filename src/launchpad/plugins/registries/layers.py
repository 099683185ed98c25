"""From the layers of a manifest to files: the one GGUF model, and the vision projector that goes with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from launchpad.plugins import Layer, PullError, RemoteFile, check_digest, check_name

TITLE = "org.opencontainers.image.title"


def model_layer(layers: Sequence[Layer], types: Collection[str], what: str) -> Layer:
    """The one layer that holds the model. Raises `PullError` when there is none or more than one."""
    models = [layer for layer in layers if layer.media_type in types or _is_gguf(layer, types)]
    if len(models) == 1:
        return models[0]
    kinds = sorted({layer.media_type.partition(";")[0] for layer in layers})
    raise PullError(
        f"{what} is not one GGUF model.",
        why=f"It has {len(models)} layers with a model; its layers are {ascii(', '.join(kinds))[:300]}.",
        hint="Choose another tag, or pull it with the tool that it was made for.",
    )


def projector_layer(layers: Sequence[Layer], types: Collection[str]) -> Layer | None:
    """The layer with the vision projector, if there is one."""
    return next((layer for layer in layers if layer.media_type in types or _is_projector(layer)), None)


def remote_file(layer: Layer, name: str, blobs: str) -> RemoteFile:
    """The file of a layer, under a name of ours. Raises `RefusedError` for a digest that is none."""
    digest = check_digest(layer.digest)
    return RemoteFile(
        path=check_name(name), urls=(f"{blobs}/sha256:{digest}",), size=layer.size, sha256=digest
    )


def _title(layer: Layer) -> str:
    return (layer.annotations or {}).get(TITLE, "").lower()


def _is_gguf(layer: Layer, types: Collection[str]) -> bool:
    """A layer without a type of its own that says by its title what it is (ORAS does so)."""
    return "*" in types and _title(layer).endswith(".gguf") and "mmproj" not in _title(layer)


def _is_projector(layer: Layer) -> bool:
    return _title(layer).endswith(".gguf") and "mmproj" in _title(layer)
