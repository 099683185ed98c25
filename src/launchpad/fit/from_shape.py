"""A `Layout` from a catalog's `Shape` and the size of a build: exact where the catalog speaks, bounded elsewhere."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from launchpad.catalog.model import Build, Model, Recurrent, Shape
from launchpad.fit import architectures, weights, widths
from launchpad.fit.layout import BlockKind, Experts, Layout
from launchpad.fit.result import Basis


class UnknownFigure(Struct, frozen=True):
    """Names the figure of the catalog without which nothing can be computed."""

    field: str


def layout_from_model(model: Model, build: Build) -> Layout | UnknownFigure:
    """The layout of one build of a catalog's model."""
    return _cached(
        model.shape,
        build.quantization,
        build.size,
        build.size_exact,
        model.parameters,
        model.parameters_active,
    )


@lru_cache(maxsize=8192)
def _cached(
    shape: Shape,
    quantization: str,
    size: int | None,
    size_exact: bool,
    parameters: float | None,
    active: float | None,
) -> Layout | UnknownFigure:
    basis: Basis = "exact" if size is not None and size_exact else "formula"
    if size is None:
        size = _estimated_size(quantization, parameters)
    missing = _missing(shape, size)
    if missing or size is None:
        return UnknownFigure(missing or "size")
    return _Builder(shape, quantization, size, basis, parameters, active).layout()


def _estimated_size(quantization: str, parameters: float | None) -> int | None:
    bits = weights.bits_per_weight(quantization)
    return None if bits is None or parameters is None else int(parameters * bits / 8)


def _missing(shape: Shape, size: int | None) -> str | None:
    """The first needed figure that the catalog lacks."""
    if size is None:
        return "size of the build"
    if not shape.layers:
        return "layers"
    if not shape.hidden_size:
        return "hidden_size"
    if _is_latent(shape) or shape.kv_heads_per_layer:
        return None
    if shape.recurrent and shape.recurrent.attention_layer_count == 0:
        return None
    if not shape.kv_heads:
        return "kv_heads"
    if not shape.head_dim_k and not shape.attention_heads:
        return "head_dim_k"
    return None


def _is_latent(shape: Shape) -> bool:
    return shape.mla is not None and (shape.architecture or "") not in architectures.LATENT_EXPANDED


class _Builder:
    """Derives the parts of a layout from one shape."""

    def __init__(
        self,
        shape: Shape,
        quantization: str,
        size: int,
        basis: Basis,
        parameters: float | None,
        active: float | None,
    ) -> None:
        self.shape = shape
        self.quantization = quantization
        self.size = size
        self.basis = basis
        self.parameters = parameters
        self.active = active or parameters
        self.architecture = shape.architecture or ""
        self.layers = shape.layers or 0
        self.hidden = shape.hidden_size or 0
        self.heads = shape.attention_heads or shape.kv_heads or 1
        self.notes: list[str] = []
        self.moe_layers = self.layers - ((shape.moe.leading_dense_layers or 0) if shape.moe else self.layers)

    def layout(self) -> Layout:
        token_embd, output = self._embeddings()
        experts = self._experts()
        kinds, blocks, remarks = _network(self.shape, self.parameters, self.active)
        in_blocks = max(0, self.size - token_embd - output)
        expert_bytes = self._expert_bytes(experts, in_blocks)
        window = self.shape.window
        return Layout(
            architecture=self.architecture,
            hidden=self.hidden,
            vocab=self.shape.vocab_size or 0,
            heads=self.heads,
            kinds=kinds,
            blocks=blocks,
            block_weights=_spread(in_blocks - sum(expert_bytes), self.layers, expert_bytes),
            block_experts=expert_bytes,
            token_embd=token_embd,
            output=output,
            # Unknown counts as tied: the device with the output then also gets a copy of the embedding.
            tied=self.shape.tied_embeddings is not False and output == 0,
            weights_basis=self.basis,
            per_layer_width=self.shape.per_layer_embedding or 0,
            window=window.window if window else 0,
            mla=_is_latent(self.shape),
            rope_factors=self.architecture in architectures.ROPE_FACTORS,
            experts=experts,
            largest_up=self._matrices(self._ffn()),
            largest_down=self._matrices(self._ffn()),
            largest_expert_up=self._matrices(experts.ffn * experts.total if experts else 0),
            largest_expert_down=self._matrices(experts.ffn * experts.total if experts else 0),
            repack=int(in_blocks * weights.repacked_share(self.quantization)),
            parameters_active=self.active,
            quantization=self.quantization,
            gqa=self.heads / max(1, self.shape.kv_heads or 1),
            notes=(*remarks, *self.notes),
        )

    def _embeddings(self) -> tuple[int, int]:
        """Bytes of the token embedding and of a separate output matrix."""
        elements = (self.shape.vocab_size or 0) * self.hidden
        tied = self.shape.tied_embeddings is not False
        bits = weights.embedding_bits(self.quantization, output=tied)
        if bits is None or not elements:
            return 0, 0
        embedding = min(int(elements * bits / 8), self.size // 2)
        if tied:
            return embedding, 0
        output_bits = weights.embedding_bits(self.quantization, output=True) or bits
        return embedding, min(int(elements * output_bits / 8), self.size // 2 - embedding // 2)

    def _experts(self) -> Experts | None:
        moe = self.shape.moe
        if not moe or not moe.experts or not moe.experts_used:
            return None
        ffn = moe.expert_ffn
        if not ffn and self.parameters and self.active and moe.experts > moe.experts_used:
            # What active parameters lack is what unused experts hold.
            unused = (moe.experts - moe.experts_used) * max(1, self.moe_layers) * 3 * self.hidden
            ffn = round((self.parameters - self.active) / unused)
        return Experts(total=moe.experts, used=moe.experts_used, ffn=max(1, ffn or self.hidden))

    def _expert_bytes(self, experts: Experts | None, in_blocks: int) -> tuple[int, ...]:
        if not experts or not self.parameters:
            return (0,) * self.layers
        held = 3 * self.hidden * experts.ffn * experts.total * self.moe_layers
        outside = (self.shape.vocab_size or 0) * self.hidden
        share = min(0.99, held / max(1.0, self.parameters - outside))
        each = int(in_blocks * share / max(1, self.moe_layers))
        dense = self.layers - self.moe_layers
        return (0,) * dense + (each,) * self.moe_layers

    def block_kinds(self) -> list[BlockKind]:
        """The blocks of the network, in order."""
        experts = self._experts()
        windowed = self._windowed()
        attends = self._attends()
        recurrence = self._recurrence()
        state, mixer = recurrence.state, recurrence.mixer
        latent = _is_latent(self.shape)
        owners = self.layers - (self.shape.kv_shared_layers or 0)
        hybrid = self.shape.recurrent
        parallel = bool(hybrid and hybrid.parallel_branches)
        kinds = []
        for block in range(self.layers):
            k_dim, v_dim, queries = self._dims(block, windowed[block]) if attends[block] else (0, 0, 0)
            attention = self._attention(queries, k_dim)
            owns = block < owners
            recurrent = bool(hybrid) and (parallel or not attends[block])
            kinds.append(
                BlockKind(
                    k_dim=k_dim if owns else 0,
                    v_dim=v_dim if owns and not latent else 0,
                    windowed=windowed[block],
                    conv_state=state.conv if recurrent else 0,
                    scan_state=state.scan if recurrent else 0,
                    width=max(self._ffn_width(block, experts), attention.width, mixer if recurrent else 0),
                    attention_width=attention.width,
                    scan_width=recurrence.scan if recurrent else 0,
                    scan_floats=recurrence.floats if recurrent else 0,
                    decay_heads=recurrence.decays if recurrent else 0,
                    query_width=attention.query,
                    copied_width=attention.copied,
                    ffn=0 if experts and block >= self.layers - self.moe_layers else self._ffn(),
                )
            )
        return kinds

    def _dims(self, block: int, windowed: bool) -> tuple[int, int, int]:
        """Elements of one K row, of one V row, and of all queries."""
        shape = self.shape
        if _is_latent(shape) and shape.mla:
            row = shape.mla.kv_lora_rank + shape.mla.qk_rope_head_dim
            return row, 0, 0
        k_dim = shape.head_dim_k or self.hidden // self.heads
        v_dim = shape.head_dim_v or k_dim
        heads = shape.kv_heads or self.heads
        if shape.kv_heads_per_layer and block < len(shape.kv_heads_per_layer):
            heads = shape.kv_heads_per_layer[block]
        elif windowed and shape.window:
            heads = shape.window.local_kv_heads or heads
        if windowed and shape.window:
            k_dim = shape.window.local_head_dim or k_dim
            v_dim = shape.window.local_v_head_dim or shape.window.local_head_dim or v_dim
        return heads * k_dim, heads * v_dim, self.heads * k_dim

    def _attention(self, queries: int, k_dim: int) -> widths.Attention:
        if not k_dim:
            return widths.Attention(0, 0, 0)
        mla = self.shape.mla
        if mla and _is_latent(self.shape):
            nope = mla.qk_nope_head_dim or 128
            return widths.latent_attention(self.heads, nope, mla.qk_rope_head_dim, mla.kv_lora_rank)
        gated = self.architecture in architectures.GATED_ATTENTION
        return widths.attention(queries, k_dim, self.hidden, gated=gated)

    def _windowed(self) -> tuple[bool, ...]:
        """Which blocks have a window; unknown counts as none, an upper bound."""
        window = self.shape.window
        if not window or not window.window:
            return (False,) * self.layers
        if window.global_layers is not None:
            return tuple(block not in window.global_layers for block in range(self.layers))
        known = architectures.window_blocks(self.architecture, self.layers)
        if known is not None:
            return known
        if window.global_layer_count:
            every = max(1, self.layers // window.global_layer_count)
            full = set(range(every - 1, self.layers, every))
            return tuple(block not in full for block in range(self.layers))
        self.notes.append("which layers have the sliding window is not known: the KV cache is an upper bound")
        return (False,) * self.layers

    def _attends(self) -> tuple[bool, ...]:
        hybrid = self.shape.recurrent
        if not hybrid or hybrid.parallel_branches:
            return (True,) * self.layers
        if self.shape.kv_heads_per_layer:
            return tuple(heads > 0 for heads in self.shape.kv_heads_per_layer[: self.layers])
        if hybrid.attention_layers is not None:
            return tuple(block in hybrid.attention_layers for block in range(self.layers))
        number = hybrid.attention_layer_count
        if number is None:
            self.notes.append("which layers attend is not known: the KV cache is an upper bound")
            return (True,) * self.layers
        if number == 0:
            return (False,) * self.layers
        every = max(1, self.layers // number)
        chosen = set(list(range(every - 1, self.layers, every))[:number])
        return tuple(block in chosen for block in range(self.layers))

    def _recurrence(self) -> widths.Recurrence:
        """State and widths of the recurrent blocks."""
        hybrid = self.shape.recurrent
        if not hybrid:
            return widths.Recurrence(architectures.State(0, 0))
        if hybrid.conv_l_cache:
            return widths.Recurrence(architectures.short_conv_state(self.hidden, hybrid.conv_l_cache))
        kernel = hybrid.conv_kernel or 4
        kind = hybrid.kind.replace("-", "_")
        if kind == "lightning":
            found = widths.lightning(self.heads, self.shape.head_dim_k or self.hidden // self.heads)
            return found if self.architecture in architectures.LIGHTNING else found._replace(decays=0)
        if kind.startswith(("gated_delta", "kda", "kimi")):
            return self._delta_net(hybrid, kernel, keyed=not kind.startswith("gated_delta"))
        inner = hybrid.mamba_d_inner or (hybrid.mamba_heads or 0) * (hybrid.mamba_head_dim or 0)
        size = hybrid.ssm_state_size
        if not inner or not size:
            inner, size = self._bounded_state()
        groups = hybrid.mamba_groups or 0
        state = architectures.ssm_state(kernel, inner, groups, size)
        return widths.selective_scan(inner, groups, size, hybrid.mamba_heads or 0, state)

    def _delta_net(self, hybrid: Recurrent, kernel: int, *, keyed: bool) -> widths.Recurrence:
        size = hybrid.linear_key_head_dim or hybrid.linear_value_head_dim
        heads = hybrid.linear_value_heads
        if not size or not heads:
            inner, size = self._bounded_state()
            groups = inner // size
        else:
            inner = heads * (hybrid.linear_value_head_dim or size)
            groups = hybrid.linear_key_heads or heads
        state = (
            architectures.kda_state(kernel, inner // size, size)
            if keyed
            else architectures.ssm_state(kernel, inner, groups, size)
        )
        return widths.delta_net(inner, groups, size, state)

    def _bounded_state(self) -> tuple[int, int]:
        """Inner size and state size that no published hybrid exceeds at this width."""
        self.notes.append("the sizes of the recurrent state are not known: it is an upper bound")
        return 4 * self.hidden, 128

    def _matrices(self, ffn: int) -> tuple[int, ...]:
        """Bytes of the feed-forward matrices of that length, the same in every block."""
        bits = self.size * 8 / self.parameters if self.parameters else 16.0
        return (int(self.hidden * ffn * bits / 8),) * self.layers

    def _ffn(self) -> int:
        """Feed-forward length of a dense block, from the parameters when the catalog does not state it."""
        if self.shape.ffn:
            return self.shape.ffn
        if not self.parameters or self.shape.moe:
            return 0
        k_dim, v_dim, queries = self._dims(0, False)
        attention = self.hidden * (2 * queries + k_dim + v_dim)
        embeddings = (
            (self.shape.vocab_size or 0) * self.hidden * (2 if self.shape.tied_embeddings is False else 1)
        )
        in_ffn = self.parameters - embeddings - self.layers * attention
        return max(0, round(in_ffn / (3 * self.hidden * self.layers)))

    def _ffn_width(self, block: int, experts: Experts | None) -> int:
        gated = self.architecture not in architectures.UNGATED
        if experts and block >= self.layers - self.moe_layers:
            weighted = self.architecture in architectures.WEIGHTED_EXPERT_INPUT
            return widths.expert_ffn(
                experts.used, experts.ffn, self.hidden, gated=gated, weighted_input=weighted
            )
        parallel = self.hidden * architectures.PARALLEL_RESIDUAL.get(self.architecture, 0)
        beside = self.hidden if self.architecture in architectures.RESIDUAL_BESIDE_DENSE else 0
        return widths.dense_ffn(self._ffn(), gated=gated) + parallel + beside


@lru_cache(maxsize=1024)
def _network(
    shape: Shape, parameters: float | None, active: float | None
) -> tuple[tuple[BlockKind, ...], tuple[int, ...], tuple[str, ...]]:
    """The kinds of blocks, the kind of each block, and remarks: the same for every build of a model."""
    builder = _Builder(shape, "", 0, "formula", parameters, active)
    kinds: dict[BlockKind, int] = {}
    blocks = tuple(kinds.setdefault(kind, len(kinds)) for kind in builder.block_kinds())
    return tuple(kinds), blocks, tuple(builder.notes)


def _spread(total: int, layers: int, extra: tuple[int, ...]) -> tuple[int, ...]:
    """`total` in equal parts over the blocks, plus what each block holds besides."""
    each, rest = divmod(max(0, total), layers)
    return tuple(each + (1 if block < rest else 0) + extra[block] for block in range(layers))
