"""A `Layout` from the metadata of a GGUF file and the sums over its tensors: exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from launchpad.fit import architectures, widths
from launchpad.fit.figures import Figures
from launchpad.fit.layout import BlockKind, Experts, Layout
from launchpad.fit.tensors import Tensor, WeightSums, sum_weights


class Header(Protocol):
    """What is needed of a GGUF file's header."""

    @property
    def metadata(self) -> Mapping[str, object]:
        """All keys with their values."""

    @property
    def tensors(self) -> Sequence[Tensor]:
        """The tensor table."""


def layout_from_gguf(header: Header) -> Layout:
    """The layout of a model file, or of all files of a split model joined.

    Raises `BadModelFile` when a needed figure is missing or cannot be true.
    """
    blocks = Figures(header.metadata).blocks()
    return layout_from_metadata(header.metadata, sum_weights(header.tensors, blocks))


def layout_from_metadata(metadata: Mapping[str, object], sums: WeightSums) -> Layout:
    """The layout that llama.cpp derives from these figures.

    Raises `BadModelFile` when a needed figure is missing or cannot be true.
    """
    return _Reader(metadata, sums).layout()


class _Reader:
    """Derives the parts of a layout from one file's figures."""

    def __init__(self, metadata: Mapping[str, object], sums: WeightSums) -> None:
        self.figures = figures = Figures(metadata)
        self.sums = sums
        self.architecture = figures.architecture
        self.blocks = figures.blocks()
        self.hidden = figures.count("embedding_length", least=1)
        self.heads = figures.per_block("attention.head_count", self.blocks, 0)
        self.most_heads = max(1, *self.heads)
        self.mtp = min(figures.count("nextn_predict_layers", 0), self.blocks - 1)
        self.gated = self.architecture not in architectures.UNGATED if sums.gated is None else sums.gated
        self.experts = self._experts()

    def layout(self) -> Layout:
        loaded = self.blocks - self.mtp
        kinds: dict[BlockKind, int] = {}
        blocks = tuple(kinds.setdefault(kind, len(kinds)) for kind in self._block_kinds())
        sums = self.sums
        vocab = sums.vocab or self.figures.count("vocab_size", 0)
        k_heads = max((heads for heads in self._kv_heads() if heads), default=self.most_heads)
        return Layout(
            architecture=self.architecture,
            hidden=self.hidden,
            vocab=vocab,
            heads=self.most_heads,
            kinds=tuple(kinds),
            blocks=blocks,
            block_weights=_loaded(sums.blocks, loaded, self.blocks),
            block_experts=_loaded(sums.experts, loaded, self.blocks),
            token_embd=sums.token_embd,
            output=sums.output,
            tied=sums.tied,
            per_layer_embd=sums.per_layer_embd,
            per_layer_width=self.figures.count("embedding_length_per_layer_input", 0),
            deepstack=self.figures.count("n_deepstack_layers", 0),
            window=self._window(),
            mla=self._latent(),
            indexer=self._indexer(),
            rope_factors=sums.rope_factors,
            experts=self.experts,
            largest_up=sums.largest_up,
            largest_down=sums.largest_down,
            largest_expert_up=sums.largest_expert_up,
            largest_expert_down=sums.largest_expert_down,
            repack=sums.repack,
            parameters_active=self._active_parameters(),
            quantization=sums.quantization,
            gqa=self.most_heads / max(1, k_heads),
        )

    def _experts(self) -> Experts | None:
        total = self.figures.count("expert_count", 0)
        if not total:
            return None
        used = min(self.figures.count("expert_used_count", 1, least=1), total)
        ffn = self.figures.count("expert_feed_forward_length", 0) or self.figures.count(
            "feed_forward_length", 0
        )
        return Experts(total=total, used=used, ffn=ffn)

    def _active_parameters(self) -> float | None:
        """Parameters that one token is multiplied with: the embedding table is only looked up."""
        sums = self.sums
        if sums.parameters is None:
            return None
        unused = 1 - self.experts.used / self.experts.total if self.experts else 0.0
        return sums.parameters - sums.expert_parameters * unused

    def _latent(self) -> bool:
        return self.figures.raw("attention.key_length_mla") is not None

    def _window(self) -> int:
        stated = self.figures.raw("attention.sliding_window")
        if stated is None:
            return architectures.WINDOW_BUILT_IN.get(self.architecture, 0)
        return self.figures.count("attention.sliding_window")

    def _kv_heads(self) -> tuple[int, ...]:
        return self.figures.per_block("attention.head_count_kv", self.blocks, self.most_heads)

    def _head_dims(self) -> tuple[int, int]:
        default = max(1, self.hidden // self.most_heads)
        key = self.figures.count("attention.key_length", default)
        return key, self.figures.count("attention.value_length", default)

    def _windowed(self) -> tuple[bool, ...]:
        if not self._window():
            return (False,) * self.blocks
        pattern = self.figures.raw("attention.sliding_window_pattern")
        found = architectures.window_blocks(self.architecture, self.blocks, pattern)
        return found or (False,) * self.blocks

    def _block_kinds(self) -> list[BlockKind]:
        kv_heads = self._kv_heads()
        windowed = self._windowed()
        recurrent = self._recurrent(kv_heads)
        ffn = self.figures.per_block("feed_forward_length", self.blocks, 0)
        owners = self._cache_owners()
        key, value = self._head_dims()
        key_swa = self.figures.count("attention.key_length_swa", key)
        value_swa = self.figures.count("attention.value_length_swa", value)
        recurrence = self._recurrence()
        state, mixer, indexer = recurrence.state, recurrence.mixer, self._indexer()
        parallel = self.architecture in architectures.PARALLEL_RECURRENT
        kinds = []
        for block in range(self.blocks):
            head_dim, v_head_dim = (key_swa, value_swa) if windowed[block] else (key, value)
            attends = parallel or not recurrent[block]
            k_dim = kv_heads[block] * head_dim if attends else 0
            owns = block < owners and not self._is_uncached(block)
            attention = self._attention(self.heads[block], head_dim, k_dim)
            feed_forward = self._ffn_width(block, ffn[block])
            beside = self._beside_attention(feed_forward, mixer if parallel else 0)
            kinds.append(
                BlockKind(
                    heads=self.heads[block],
                    k_dim=k_dim + indexer if owns and k_dim else 0,
                    v_dim=kv_heads[block] * v_head_dim if attends and owns and not self._latent() else 0,
                    windowed=windowed[block],
                    conv_state=state.conv if recurrent[block] else 0,
                    scan_state=state.scan if recurrent[block] else 0,
                    width=max(
                        feed_forward + self._parallel_residual(),
                        attention.width,
                        self.hidden * architectures.RESIDUAL_STREAMS.get(self.architecture, 0),
                        mixer if recurrent[block] else 0,
                    ),
                    attention_width=attention.width,
                    scan_width=recurrence.scan if recurrent[block] else 0,
                    scan_floats=recurrence.floats if recurrent[block] else 0,
                    scan_beside=recurrence.beside if recurrent[block] else 0,
                    query_width=attention.query,
                    copied_width=attention.copied + beside,
                    scores=self._scores(self.heads[block]) if indexer and k_dim else None,
                    ffn=0 if self._has_experts(block) else ffn[block],
                    decay_heads=recurrence.decays if recurrent[block] else 0,
                )
            )
        return kinds

    def _attention(self, heads: int, head_dim: int, k_dim: int) -> widths.Attention:
        if not k_dim:
            return widths.Attention(0, 0, 0)
        if self._latent():
            rope = self.figures.count("rope.dimension_count", 0)
            key = self.figures.count("attention.key_length_mla", 0)
            rank = self.figures.count("attention.kv_lora_rank", 0)
            if self._indexer():
                experts = self.experts
                beside = 3 * (experts.used * experts.ffn if experts else heads * self._latent_value())
                return widths.sparse_latent_attention(heads, rope, rank, beside)
            return widths.latent_attention(heads, max(0, key - rope), rope, rank)
        gated = self.architecture in architectures.GATED_ATTENTION
        return widths.attention(heads * head_dim, k_dim, self.hidden, gated=gated)

    def _scores(self, heads: int) -> widths.Scores:
        rope, rank = (
            self.figures.count("rope.dimension_count", 0),
            self.figures.count("attention.kv_lora_rank", 0),
        )
        nope = max(0, self.figures.count("attention.key_length_mla", 0) - rope)
        return widths.scores(heads, nope, rope, rank, self._latent_value())

    def _latent_value(self) -> int:
        return self.figures.count("attention.value_length_mla", 0)

    def _indexer(self) -> int:
        """Elements per token that sparse attention caches in every block to find the tokens that matter."""
        return self.figures.count("attention.indexer.key_length", 0)

    def _parallel_residual(self) -> int:
        return self.hidden * architectures.PARALLEL_RESIDUAL.get(self.architecture, 0)

    def _beside_attention(self, feed_forward: int, mixer: int) -> int:
        """Floats of what runs beside attention in the same block and is alive with it."""
        parallel = self._parallel_residual()
        return (feed_forward + parallel if parallel else 0) + mixer

    def _is_uncached(self, block: int) -> bool:
        return block >= self.blocks - self.mtp and self.architecture in architectures.MTP_WITHOUT_CACHE

    def _cache_owners(self) -> int:
        shared = self.figures.raw("attention.shared_kv_layers")
        if shared is None:
            return min(self.blocks, architectures.CACHE_OWNERS_BUILT_IN.get(self.architecture, self.blocks))
        return max(0, self.blocks - self.figures.count("attention.shared_kv_layers"))

    def _recurrent(self, kv_heads: tuple[int, ...]) -> tuple[bool, ...]:
        name = self.architecture
        if name in architectures.PARALLEL_RECURRENT | architectures.PURE_RECURRENT:
            return (True,) * self.blocks
        stated = self.figures.raw("attention.recurrent_layers")
        if isinstance(stated, Sequence) and not isinstance(stated, str | bytes):
            return tuple(map(bool, self.figures.per_block("attention.recurrent_layers", self.blocks, 0)))
        if name in architectures.DELTA_NET | architectures.LIGHTNING:
            usual = 8 if name in architectures.LIGHTNING else 4
            interval = self.figures.count("full_attention_interval", usual, least=1)
            own = self.blocks - self.mtp
            return tuple(block < own and (block + 1) % interval != 0 for block in range(self.blocks))
        if name in architectures.RECURRENT_WITHOUT_KV_HEADS:
            return tuple(heads == 0 for heads in kv_heads)
        if name in architectures.RECURRENT_WITHOUT_KV_HEADS_AND_FFN:
            ffn = self.figures.per_block("feed_forward_length", self.blocks, 0)
            return tuple(heads == 0 and length == 0 for heads, length in zip(kv_heads, ffn, strict=True))
        return (False,) * self.blocks

    def _recurrence(self) -> widths.Recurrence:
        """State and widths of the recurrent blocks."""
        figures = self.figures
        if figures.raw("shortconv.l_cache") is not None:
            cache = figures.count("shortconv.l_cache", least=1)
            return widths.Recurrence(architectures.short_conv_state(self.hidden, cache))
        if figures.raw("wkv.head_size") is not None:
            shifts = figures.count("token_shift_count", 2)
            size = figures.count("wkv.head_size")
            state = architectures.wkv_state(self.hidden, size, shifts)
            found = widths.wkv(self.hidden, state, keyed=self.architecture in architectures.KEYED_WKV)
            if self.architecture in architectures.STATES_BESIDE_FFN:
                ffn = figures.count("feed_forward_length", 0)
                return found._replace(scan=max(found.scan, widths.dense_ffn(ffn)))
            return found
        if self.architecture in architectures.LIGHTNING:
            return widths.lightning(self.most_heads, self._head_dims()[0])
        if figures.raw("ssm.conv_kernel") is None:
            return widths.Recurrence(architectures.State(0, 0))
        kernel = figures.count("ssm.conv_kernel", least=1)
        if figures.raw("kda.head_dim") is not None:
            size = figures.count("kda.head_dim")
            state = architectures.kda_state(kernel, self.most_heads, size)
            return widths.delta_net(self.most_heads * size, self.most_heads, size, state)
        inner = figures.count("ssm.inner_size")
        groups = figures.count("ssm.group_count", 0)
        size = figures.count("ssm.state_size")
        state = architectures.ssm_state(kernel, inner, groups, size)
        if self.architecture in architectures.DELTA_NET:
            return widths.delta_net(inner, groups, size, state)
        heads = figures.count("ssm.time_step_rank", 0)
        found = widths.selective_scan(inner, groups, size, heads, state)
        if self.architecture in architectures.PARALLEL_RECURRENT:
            return widths.scan_beside_attention(self.hidden, inner, groups, size, found)
        return found

    def _has_experts(self, block: int) -> bool:
        experts = self.sums.experts
        return bool(self.experts and block < len(experts) and experts[block])

    def _ffn_width(self, block: int, ffn: int) -> int:
        if self.experts and self._has_experts(block):
            weighted = self.architecture in architectures.WEIGHTED_EXPERT_INPUT
            return widths.expert_ffn(
                self.experts.used, self.experts.ffn, self.hidden, gated=self.gated, weighted_input=weighted
            )
        if copies := architectures.TIME_MIX_BESIDE_FFN.get(self.architecture):
            return 2 * ffn + copies * self.hidden
        beside = self.hidden if self.architecture in architectures.RESIDUAL_BESIDE_DENSE else 0
        return widths.dense_ffn(ffn, gated=self.gated) + beside


def _loaded(values: tuple[int, ...], loaded: int, blocks: int) -> tuple[int, ...]:
    """One entry per block; what is in the file but not loaded weighs nothing."""
    return tuple(values[block] if block < min(loaded, len(values)) else 0 for block in range(blocks))
