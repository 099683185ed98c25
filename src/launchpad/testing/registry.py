"""A simulated registry on loopback (Ollama's, or any OCI registry), with the faults of the simulated Hub.

    with SimulatedRegistry() as registry:
        registry.add_ollama("qwen3:8b", {"model": gguf, "projector": mmproj})
        monkeypatch.setenv("LAUNCHPAD_OLLAMA_REGISTRY", registry.endpoint)

It speaks `/v2/{name}/manifests/{tag}`, `/v2/{name}/blobs/{digest}` and, when `tokens` is set, answers 401 with the
address of a token server until a request brings the token that this server gives to anybody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.testing.hub import SimulatedHub, _Resource

TOKEN = "tok_CANARY"  # noqa: S105 -- what the simulated token server gives to anybody
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"


class SimulatedRegistry(SimulatedHub):
    """The server. Use it as a context manager. `realm` is where its 401 answers send a client for a token."""

    def __init__(self, *, tokens: bool = False, realm: str | None = None) -> None:
        super().__init__()
        self._tokens = tokens
        self._realm = realm
        self.add("/token", json.dumps({"token": TOKEN}).encode(), kind="application/json")

    @property
    def host(self) -> str:
        """Host and port, as an `oci://` reference names it."""
        return self.endpoint.partition("://")[2]

    def add_ollama(
        self, name: str, layers: Mapping[str, bytes], *, digests: Mapping[str, str] | None = None
    ) -> str:
        """Serve a model of Ollama's library and return the sha256 of its manifest.

        `layers` are by the last word of their media type: model, projector, template, params, license. `digests`
        make the manifest lie.
        """
        place, _, tag = name.partition(":")
        if "/" not in place:
            place = f"library/{place}"
        described: list[tuple[str, bytes, str | None, dict[str, str]]] = [
            (f"application/vnd.ollama.image.{kind}", content, (digests or {}).get(kind), {})
            for kind, content in layers.items()
        ]
        return self.add_manifest(place, tag or "latest", described, kind=DOCKER)

    def add_artifact(self, place: str, tag: str, files: Mapping[str, bytes], *, media_type: str) -> str:
        """Serve an OCI artifact with one layer a file, titled as ORAS does, and return its manifest's digest."""
        described: list[tuple[str, bytes, str | None, dict[str, str]]] = [
            (media_type, content, None, {"org.opencontainers.image.title": name})
            for name, content in files.items()
        ]
        return self.add_manifest(place, tag, described, kind=OCI)

    def add_manifest(
        self,
        place: str,
        tag: str,
        layers: Sequence[tuple[str, bytes, str | None, dict[str, str]]],
        *,
        kind: str,
    ) -> str:
        """Serve a manifest with these layers: media type, content, digest (None: the right one), annotations."""
        listed: list[dict[str, Any]] = []
        for media_type, content, digest, notes in layers:
            right = "sha256:" + hashlib.sha256(content).hexdigest()
            entry = {"mediaType": media_type, "digest": digest or right, "size": len(content)}
            listed.append({**entry, "annotations": notes} if notes else entry)
            self._put(f"/v2/{place}/blobs/{right}", content, "application/octet-stream", place)
        config = b"{}"
        digest = "sha256:" + hashlib.sha256(config).hexdigest()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": kind,
                "config": {"mediaType": "application/json", "digest": digest, "size": len(config)},
                "layers": listed,
            }
        ).encode()
        name = hashlib.sha256(manifest).hexdigest()
        for reference in (tag, f"sha256:{name}"):
            self._put(f"/v2/{place}/manifests/{reference}", manifest, kind, place)
        return name

    def _put(self, path: str, content: bytes, kind: str, place: str) -> None:
        realm = self._realm or f"{self.endpoint}/token"
        challenge = f'Bearer realm="{realm}",service="simulated",scope="repository:{place}:pull"'
        self._resources[path] = _Resource(content, kind, challenge=challenge if self._tokens else None)
