"""Models, their builds, shapes and licenses: frozen data, `None` for unknown.

A catalog may hold a hundred thousand of them: no figure is negative by its type, so that their check is one decoding,
and none is looked at by the garbage collector, for nothing in them can refer back.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Format = Literal["gguf", "safetensors", "ollama", "served"]
Count = Annotated[int, Meta(ge=0)]
Figure = Annotated[float, Meta(ge=0)]
LicenseClass = Literal["osi", "permissive", "conditions", "noncommercial", "own"]


class License(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The terms of the weights. `commercial` says in a few words whether commercial use is allowed."""

    id: str | None = None  # lower-case key, e.g. apache-2.0, llama3.1
    name: str | None = None
    spdx: str | None = None
    kind: LicenseClass | None = None
    commercial: str | None = None
    verified: bool = False


class MultiHeadLatent(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Multi-head latent attention (DeepSeek): one compressed row per token instead of K and V."""

    kv_lora_rank: Count
    qk_rope_head_dim: Count
    qk_nope_head_dim: Count | None = None
    v_head_dim: Count | None = None
    q_lora_rank: Count | None = None


class SlidingWindow(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Layers that only see the last `window` tokens. `global_layers` are the 0-based indices of the others."""

    window: Count
    global_layers: tuple[Count, ...] | None = None
    global_layer_count: Count | None = None
    local_layer_count: Count | None = None
    local_kv_heads: Count | None = None
    local_head_dim: Count | None = None
    local_v_head_dim: Count | None = None


class Recurrent(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Layers that keep a state of fixed size instead of a KV cache (Mamba, gated delta net, short convolution).

    `kind` is the catalog's name of the mixer: e.g. gated_delta_net, mamba2, mamba, short_conv, kda, lightning.
    """

    kind: str
    attention_layers: tuple[Count, ...] | None = None
    attention_layer_count: Count | None = None
    recurrent_layer_count: Count | None = None
    ffn_only_layers: Count | None = None
    parallel_branches: bool | None = None
    conv_kernel: Count | None = None
    conv_l_cache: Count | None = None
    linear_key_heads: Count | None = None
    linear_value_heads: Count | None = None
    linear_key_head_dim: Count | None = None
    linear_value_head_dim: Count | None = None
    ssm_state_size: Count | None = None
    mamba_heads: Count | None = None
    mamba_head_dim: Count | None = None
    mamba_groups: Count | None = None
    mamba_d_inner: Count | None = None


class Moe(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Mixture of experts."""

    experts: Count | None = None
    experts_used: Count | None = None
    shared_experts: Count | None = None
    expert_ffn: Count | None = None
    leading_dense_layers: Count | None = None


class Shape(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The figures of the network that decide about memory and speed.

    `architecture` is `general.architecture` of GGUF files. With sliding windows, `kv_heads` and head dimensions
    describe the global layers. `kv_heads_per_layer` and `ffn_per_layer`, where known (read from a GGUF header),
    win over the single figures.
    """

    architecture: str | None = None
    layers: Count | None = None
    hidden_size: Count | None = None
    attention_heads: Count | None = None
    kv_heads: Count | None = None
    head_dim_k: Count | None = None
    head_dim_v: Count | None = None
    ffn: Count | None = None
    vocab_size: Count | None = None
    mla: MultiHeadLatent | None = None
    window: SlidingWindow | None = None
    recurrent: Recurrent | None = None
    moe: Moe | None = None
    kv_shared_layers: Count | None = None
    mtp_layers: Count | None = None  # multi-token-prediction blocks that are in the file but not loaded
    per_layer_embedding: Count | None = None  # embedding_length_per_layer_input of Gemma 3n/4
    tied_embeddings: bool | None = None
    kv_heads_per_layer: tuple[Count, ...] | None = None
    ffn_per_layer: tuple[Count, ...] | None = None


class ModelFile(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One file of a build: repository path, bytes, sha256 in lower-case hex."""

    path: str
    size: Count | None = None
    sha256: str | None = None


class Build(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One downloadable form of a model.

    `ref` is canonical (`hf://org/repo@revision:QUANT`, `pypi://project@version/member`); `size` is the sum of all
    files in bytes, exact only when `size_exact`. `template` is the sha256 of its chat template, where somebody looked at it.
    """

    ref: str
    format: Format
    quantization: str
    size: Count | None = None
    size_exact: bool = False
    files: tuple[ModelFile, ...] = ()
    official: bool = False  # published by the model's own lab
    template: str | None = None

    @property
    def scheme(self) -> str:
        """The URI scheme that says which source owns this build."""
        return self.ref.partition("://")[0]


class Capabilities(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the model can do. None = not known, never "no"."""

    tools: bool | None = None
    thinking: str | None = None  # none, always, switchable; each possibly ", with effort levels"
    vision: bool | None = None
    audio: bool | None = None
    code: bool | None = None
    multilingual: bool | None = None


MEASURED_PURPOSES = ("chat", "code", "reasoning", "tools")
"""Purposes that enough models were measured for. Of vision and other languages, the evidence holds a score or two of few models."""


ENOUGH_RESULTS = 6


class Quality(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A comparable quality figure (0-100), its standard error, and what it rests on.

    `value` is with the model's best reasoning setting, `value_fast` with thinking off or at low effort. `chat`, `code`,
    `reasoning` and `tools` are the same figure for one purpose, where its own benchmarks carry it.
    """

    value: Figure
    spread: Figure
    value_fast: Figure | None = None
    measurements: Count = 0
    sources: tuple[str, ...] = ()
    chat: Figure | None = None
    code: Figure | None = None
    reasoning: Figure | None = None
    tools: Figure | None = None

    @property
    def thin(self) -> bool:
        """Whether it rests on few results, so that it is marked wherever it is shown."""
        return self.measurements < ENOUGH_RESULTS

    def of(self, purpose: str) -> float:
        """The figure for `purpose`; the general one where the purpose has none of its own."""
        own = self.own(purpose)
        return self.value if own is None else own

    def own(self, purpose: str) -> float | None:
        """The figure for `purpose` from its own benchmarks; None where they do not carry one."""
        found: float | None = getattr(self, purpose) if purpose in MEASURED_PURPOSES else None
        return found


class Defaults(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How this model answers best, where its maker or a measurement says so: used unless the user says otherwise.

    `source` is where the values come from.
    """

    source: str
    system: str | None = None
    temperature: Figure | None = None
    top_p: Figure | None = None
    top_k: Count | None = None
    min_p: Figure | None = None


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One model variant: a distinct set of published weights."""

    id: str
    name: str
    lab: str
    lab_id: str
    country: str | None = None  # ISO 3166 alpha-2 of the lab's seat
    family: str | None = None
    released: str | None = None  # YYYY-MM-DD or YYYY-MM
    license: License = License()
    parameters: Figure | None = None  # count, not billions
    parameters_active: Figure | None = None
    shape: Shape = Shape()
    context: Count | None = None  # tokens the weights are made for
    modalities: tuple[str, ...] = ()
    capabilities: Capabilities = Capabilities()
    quality: Quality | None = None
    defaults: Defaults | None = None
    builds: tuple[Build, ...] = ()
    aliases: tuple[str, ...] = ()
    hf_repo: str | None = None


class LocalModel(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A build that lies on this machine, ready for an engine.

    `path` is the file (or, for safetensors, the folder) to give to the engine, `size` that of its weights and
    `projector` the file of the vision projector that goes with it. What an engine keeps in a store of its own, and knows by
    name, has no `path` (""); `context` and `capabilities` are what that engine says of it. `owner` names whose files they are (launchpad,
    huggingface, ollama, lm-studio, …, user): launchpad deletes only its own.
    """

    ref: str
    path: str
    size: Count
    format: Format
    owner: str
    quantization: str | None = None
    sha256: str | None = None
    model_id: str | None = None
    projector: str | None = None
    context: Count | None = None
    capabilities: tuple[str, ...] = ()
