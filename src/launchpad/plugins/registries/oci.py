"""Resolving `oci://` references at any OCI registry: artifacts whose layer is a GGUF file as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from launchpad.plugins import (
    Build,
    LocalModel,
    Reachability,
    Resolved,
    UsageError,
    fetch_manifest,
    scan_store,
    store_dir,
)
from launchpad.plugins.registries.layers import TITLE, model_layer, projector_layer, remote_file

_REFERENCE = re.compile(
    r"(?:oci://(?P<host>[A-Za-z0-9.-]{1,200}(?::\d{1,5})?)/|docker://)(?P<place>[a-z0-9][a-z0-9._-]{0,79}(?:/[a-z0-9][a-z0-9._-]{0,79}){0,5})"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})|@sha256:(?P<digest>[0-9a-f]{64}))?",
    re.ASCII,
)
_DOCKER_HUB = "registry-1.docker.io"
_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
# Docker Model Runner, CNCF ModelPack, RamaLama; "*" stands for layers that only a title describes (ORAS).
_MODEL = frozenset(
    {
        "application/vnd.docker.ai.gguf.v3",
        "application/vnd.cncf.model.weight.v1.raw",
        "application/vnd.cnai.model.weight.v1.raw",
        "application/x-gguf",
        "*",
    }
)
_PROJECTOR = frozenset({"application/vnd.docker.ai.mmproj"})
_LOOPBACK = ("127.0.0.1", "localhost")


class OciRegistries:
    """Registries of container images that hold models. Layers that are archives are left alone."""

    name = "oci-registries"
    schemes = frozenset({"oci", "docker"})

    def reachable(self, timeout: float) -> Reachability:
        """Every reference names its own host: there is nothing to ask beforehand."""
        return Reachability(ok=True, why="not asked: every reference names its own host")

    def resolve(self, build: Build) -> Resolved:
        """Pin layers, sizes and hashes by the manifest. Raises `PullError`, `RefusedError`."""
        host, place, tag, digest = _parts(build.ref)
        scheme = "http" if host.partition(":")[0] in _LOOPBACK else "https"
        base = f"{scheme}://{host}/v2/{place}"
        named = f"sha256:{digest}" if digest else tag
        manifest = fetch_manifest(f"{base}/manifests/{named}", place, accept=_ACCEPT, sha256=digest)
        model = model_layer(manifest.layers, _MODEL, build.ref)
        projector = projector_layer(manifest.layers, _PROJECTOR)
        title = (model.annotations or {}).get(TITLE, "")
        entry = title if title.lower().endswith(".gguf") else f"{place.rpartition('/')[2]}.gguf"
        files = [remote_file(model, entry, f"{base}/blobs")]
        if projector is not None:
            files.append(remote_file(projector, f"mmproj-{place.rpartition('/')[2]}.gguf", f"{base}/blobs"))
        return Resolved(
            ref=f"oci://{host}/{place}@sha256:{manifest.sha256}",
            folder=f"models--oci--{host.replace(':', '-')}--{place.replace('/', '--')}",
            revision=manifest.sha256,
            branch=None if digest else tag,
            files=tuple(files),
            entry=entry,
            build=build,
            token=manifest.token,
            token_host=host if manifest.token else None,
        )

    def local(self) -> Iterable[LocalModel]:
        """What was pulled from registries before."""
        return (model for model in scan_store(store_dir().resolve()) if model.ref.startswith("oci://"))


def _parts(ref: str) -> tuple[str, str, str, str | None]:
    """Host, repository, tag and the sha256 of the manifest."""
    match = _REFERENCE.fullmatch(ref)
    if not match or "--" in ref or ".." in ref:
        raise UsageError(
            f"{ref!a} is not a reference to a model in an OCI registry.",
            why="The form is oci://host/repository[:tag] or oci://host/repository@sha256:digest.",
            hint="For example: oci://ghcr.io/org/model:q4, or docker://ai/smollm2 for Docker Hub.",
        )
    host, place = match["host"] or _DOCKER_HUB, match["place"]
    return host, place, match["tag"] or "latest", match["digest"]
