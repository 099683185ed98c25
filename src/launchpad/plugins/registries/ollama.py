"""Resolving `ollama://` references at Ollama's registry: the GGUF layer of a model, and its vision projector."""

from __future__ import annotations

import re
from collections.abc import Iterable

from launchpad.plugins import (
    Build,
    LocalModel,
    Reachability,
    RefusedError,
    Resolved,
    UsageError,
    ask_source,
    fetch_manifest,
    scan_store,
    setting,
    store_dir,
)
from launchpad.plugins.registries.layers import model_layer, projector_layer, remote_file

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
_REFERENCE = re.compile(
    rf"ollama://(?:(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)/)?(?:(?P<space>{_PART})/)?(?P<name>{_PART})(?::(?P<tag>{_PART}))?",
    re.ASCII,
)
_DEFAULT = "https://registry.ollama.ai"
_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json"
_MODEL = frozenset({"application/vnd.ollama.image.model"})
_PROJECTOR = frozenset({"application/vnd.ollama.image.projector"})


class OllamaRegistry:
    """Ollama's library, read without Ollama.

    Its templates and parameters are made for Ollama and stay there: a GGUF file brings its own chat template.
    """

    name = "ollama-registry"
    schemes = frozenset({"ollama"})

    def reachable(self, timeout: float) -> Reachability:
        """Ask the registry for a sign of life."""
        hint = "Check the network and HTTPS_PROXY, or name a mirror with LAUNCHPAD_REGISTRIES_OLLAMA."
        return ask_source(f"{registry_url()}/v2/", timeout=timeout, hint=hint)

    def resolve(self, build: Build) -> Resolved:
        """Pin tag, layers, sizes and hashes by the manifest. Raises `PullError`, `RefusedError`."""
        host, space, name, tag = _parts(build.ref)
        if tag.lower() == "cloud" or tag.lower().endswith("-cloud"):
            raise RefusedError(
                f"{build.ref} runs in Ollama's cloud, not on a machine of yours.",
                why="launchpad never pulls or runs models of the cloud.",
                hint="Take the model without -cloud: `launchpad recommend` shows what runs here.",
            )
        base = f"https://{host}" if host else registry_url()
        place = f"{space}/{name}"
        manifest = fetch_manifest(f"{base}/v2/{place}/manifests/{tag}", place, accept=_ACCEPT)
        model = model_layer(manifest.layers, _MODEL, build.ref)
        projector = projector_layer(manifest.layers, _PROJECTOR)
        blobs, entry = f"{base}/v2/{place}/blobs", f"{name}-{tag}.gguf"
        files = [remote_file(model, entry, blobs)]
        if projector is not None:
            files.append(remote_file(projector, f"mmproj-{name}-{tag}.gguf", blobs))
        owner = "" if space == "library" and not host else f"{space}/"
        return Resolved(
            ref=f"ollama://{f'{host}/' if host else ''}{owner}{name}:{tag}",
            folder=f"models--ollama--{f'{host}--' if host else ''}{space}--{name}",
            revision=manifest.sha256,
            branch=tag,
            files=tuple(files),
            entry=entry,
            build=build,
            token=manifest.token,
            token_host=base.partition("://")[2] if manifest.token else None,
        )

    def builds(self, ref: str) -> Iterable[Build]:
        """The one build of a tag (`latest` where none is named)."""
        resolved = self.resolve(Build(ref=ref, format="gguf", quantization="unknown"))
        return (Build(ref=resolved.ref, format="gguf", quantization="unknown", size=resolved.files[0].size),)

    def local(self) -> Iterable[LocalModel]:
        """What was pulled from the registry before. What Ollama itself has is not this source's."""
        return (model for model in scan_store(store_dir().resolve()) if model.ref.startswith("ollama://"))


def registry_url() -> str:
    """The address of Ollama's registry, or of a mirror of it."""
    own: str | None = setting("registries.ollama")
    return (own or _DEFAULT).rstrip("/")


def _parts(ref: str) -> tuple[str | None, str, str, str]:
    """Host (None: the default registry), name space, name and tag."""
    match = _REFERENCE.fullmatch(ref)
    if not match or "--" in ref or ".." in ref:
        raise UsageError(
            f"{ref!a} is not a reference to a model of Ollama's library.",
            why="The form is ollama://name[:tag] or ollama://user/name[:tag].",
            hint="For example: ollama://qwen3:8b",
        )
    return match["host"], match["space"] or "library", match["name"], match["tag"] or "latest"
