"""What is deployed, and what comes out. PURE."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from launchpad.plan import EngineArguments

Kind = Literal["kuberay", "lws", "skypilot", "commands"]

VLLM = "0.33.0"
"""The vLLM that manifests name where none is asked for."""
RAY = "2.58.0"
RAY_VLLM = "0.26.0"
RAY_IMAGE = f"docker.io/rayproject/ray-llm:{RAY}-py312-cu130"
"""Ray's own image with vLLM in it: vLLM's image has had no Ray since 0.33."""
PORT = 8000
MASTER_PORT = 29501
GIB = 1 << 30


class Share(Struct, frozen=True, kw_only=True):
    """The GPUs of one node that the model takes, by their index there. `address` is where the other nodes reach it."""

    node: str
    address: str | None
    devices: tuple[int, ...]


class Deployment(Struct, frozen=True, kw_only=True):
    """One model as it is to be served, `replicas` times.

    `repository` and `revision` pin the weights at Hugging Face; `shares` are the nodes of one replica, the first is the
    head. `node_gpus` and `node_memory` (bytes) are what a whole node has. `size` of the weights in bytes, as the plan has it. `arguments` are
    vLLM's own, as the plan has them.
    """

    name: str  # a DNS label
    title: str
    served: str
    repository: str
    revision: str
    version: str  # of vLLM
    vendor: Literal["nvidia", "amd"]
    card: str
    shares: tuple[Share, ...]
    node_gpus: int
    node_memory: int | None
    size: int
    context: int
    arguments: EngineArguments
    replicas: int = 1
    claim: str | None = None  # a volume that all nodes share, for the weights
    notes: tuple[str, ...] = ()

    @property
    def nodes(self) -> int:
        """Nodes of one replica."""
        return len(self.shares)

    @property
    def gpus(self) -> int:
        """GPUs that one replica takes of each of its nodes."""
        return len(self.shares[0].devices)

    @property
    def image(self) -> str:
        """vLLM's own image of this version."""
        name = "vllm-openai" if self.vendor == "nvidia" else "vllm-openai-rocm"
        return f"docker.io/vllm/{name}:v{self.version}"


class ManifestFile(Struct, frozen=True, kw_only=True):
    """A file to hand over."""

    name: str
    text: str


class Manifests(Struct, frozen=True, kw_only=True):
    """`cluster emit --json`: what is deployed, the files, the commands that put them to work, and what they take for granted."""

    kind_of_manifest: Kind
    deployment: Deployment
    files: tuple[ManifestFile, ...]
    steps: tuple[str, ...]
    assumptions: tuple[str, ...]
