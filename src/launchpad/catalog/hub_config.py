"""A `Shape` from a `config.json` as the transformers library writes it: PURE, hostile input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from launchpad.catalog.model import Moe, MultiHeadLatent, Recurrent, Shape, SlidingWindow
from launchpad.errors import BadModelFile
from launchpad.fit import architectures

LONGEST_CONFIG = 1 << 22  # bytes
LARGEST_FIGURE = 1 << 31
MOST_LAYERS = 1024

# `model_type` of transformers -> `general.architecture` of GGUF, where they differ.
_ARCHITECTURES = {
    "mistral": "llama", "mixtral": "llama", "ministral3": "mistral3", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe",
    "qwen3_next": "qwen3next", "qwen3_5": "qwen35", "qwen3_5_text": "qwen35", "qwen3_5_moe": "qwen35moe",
    "qwen3_5_moe_text": "qwen35moe", "gemma3_text": "gemma3", "gemma3n_text": "gemma3n", "gemma4_text": "gemma4",
    "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2", "deepseek_v32": "deepseek2", "kimi_k2": "deepseek2",
    "kimi_linear": "kimi-linear", "gpt_oss": "gpt-oss", "cohere": "command-r", "olmo3": "olmo2", "phi": "phi2",
    "falcon_h1": "falcon-h1", "falcon_mamba": "mamba", "granitemoehybrid": "granitehybrid", "lfm2_moe": "lfm2moe",
    "glm4_moe": "glm4moe", "llama4_text": "llama4", "gpt_neox": "gptneox", "exaone_moe": "exaone-moe",
}  # fmt: skip
# In these the length of an expert is `intermediate_size` itself.
_EXPERT_IS_FFN = frozenset(
    {"mixtral", "gpt_oss", "granitemoe", "granitemoehybrid", "phimoe", "llama4_text", "minimax_m2"}
)
_FULL = frozenset({"full_attention", "attention", "global_attention"})
_WINDOWED = frozenset({"sliding_attention", "chunked_attention"})


class HubConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a `config.json` says. `context` in tokens; `quantization` is the number format of the weights."""

    shape: Shape
    context: int | None = None
    quantization: str | None = None


def parse_config(text: bytes, *, tied: bool | None = None) -> HubConfig:
    """Read a `config.json`; `tied` says whether the weights lack an output matrix, where they were seen.

    Raises `BadModelFile` when it is not one, or a figure in it cannot be true.
    """
    if len(text) > LONGEST_CONFIG:
        raise _bad(f"it has {len(text)} bytes")
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _bad("it is not JSON") from error
    if not isinstance(data, dict):
        raise _bad("it is not an object")
    figures = _Figures(data)
    for language_model in ("text_config", "llm_config"):
        if isinstance(inner := data.get(language_model), dict):
            figures = _Figures({**data, **inner})
    shape = _Reader(figures).shape(figures.flag("tie_word_embeddings") if tied is None else tied)
    return HubConfig(
        shape=shape,
        context=figures.count("max_position_embeddings", "max_sequence_length", "n_positions") or None,
        quantization=_quantization(figures),
    )


def _bad(why: str) -> BadModelFile:
    return BadModelFile("the model's config.json cannot be used", why=why)


class _Figures:
    """Checked access to one object: the first of several names that is there."""

    def __init__(self, data: Mapping[str, object]) -> None:
        self._data = data

    def raw(self, *names: str) -> object:
        """The value, None when absent."""
        return next((self._data[name] for name in names if self._data.get(name) is not None), None)

    def count(self, *names: str) -> int | None:
        """A whole number; of a list, the largest entry."""
        value = self.raw(*names)
        if isinstance(value, list) and value:
            return max(self._checked(names[0], entry) for entry in value)
        return None if value is None else self._checked(names[0], value)

    def flag(self, name: str) -> bool | None:
        """True or False, None when absent."""
        value = self.raw(name)
        return value if isinstance(value, bool) else None

    def word(self, *names: str) -> str:
        """Text, empty when absent."""
        value = self.raw(*names)
        return value[:MOST_LAYERS] if isinstance(value, str) else ""

    def inner(self, name: str) -> _Figures:
        """The figures of an object within."""
        value = self.raw(name)
        return _Figures(value if isinstance(value, dict) else {})

    def entries(self, *names: str) -> Sequence[object]:
        """A list with at most one entry per layer, empty when absent."""
        value = self.raw(*names)
        if not isinstance(value, list):
            return ()
        if len(value) > MOST_LAYERS:
            raise _bad(f"{names[0]} has {len(value)} entries")
        return value

    def indices(self, *names: str) -> tuple[int, ...]:
        """A list of layers."""
        return tuple(self._checked(names[0], entry) for entry in self.entries(*names))

    @staticmethod
    def _checked(name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST_FIGURE:
            raise _bad(f"{name} is {value!r:.40}")
        return value


class _Reader:
    """Derives the parts of a shape."""

    def __init__(self, figures: _Figures) -> None:
        self.figures = figures
        self.kind = figures.word("model_type")
        self.architecture = _ARCHITECTURES.get(self.kind, self.kind)
        layers = figures.count("num_hidden_layers", "n_layer", "num_layers", "n_layers")
        hidden = figures.count("hidden_size", "n_embd", "d_model")
        if not layers or not hidden or layers > MOST_LAYERS:
            raise _bad(f"it names {layers} layers of width {hidden}")
        self.layers, self.hidden = layers, hidden
        self.heads = figures.count("num_attention_heads", "n_head") or None
        self.types = figures.entries("layer_types", "layers_block_type")

    def shape(self, tied: bool | None) -> Shape:
        """The whole."""
        figures = self.figures
        local_kv = figures.count("num_key_value_heads", "num_kv_heads")
        local_dim = figures.count("head_dim", "attention_head_dim") or self._default_head_dim()
        mla = self._latent()
        return Shape(
            architecture=self.architecture or None,
            layers=self.layers,
            hidden_size=self.hidden,
            attention_heads=self.heads,
            kv_heads=figures.count("num_global_key_value_heads") or local_kv or self.heads,
            head_dim_k=figures.count("global_head_dim") or local_dim,
            head_dim_v=figures.count("global_head_dim")
            or (None if mla else figures.count("v_head_dim"))
            or local_dim,
            ffn=figures.count("intermediate_size", "n_inner", "ffn_hidden_size"),
            vocab_size=figures.count("vocab_size"),
            mla=mla,
            window=self._window(local_kv, local_dim),
            recurrent=self._recurrent(),
            moe=self._moe(),
            kv_shared_layers=figures.count("num_kv_shared_layers") or None,
            mtp_layers=None,  # the layers of a multi-token head come on top of num_hidden_layers
            per_layer_embedding=figures.count("hidden_size_per_layer_input") or None,
            tied_embeddings=tied,
        )

    def _default_head_dim(self) -> int | None:
        return self.hidden // self.heads if self.heads else None

    def _latent(self) -> MultiHeadLatent | None:
        rank = self.figures.count("kv_lora_rank")
        if not rank:
            return None
        return MultiHeadLatent(
            kv_lora_rank=rank,
            qk_rope_head_dim=self.figures.count("qk_rope_head_dim") or 0,
            qk_nope_head_dim=self.figures.count("qk_nope_head_dim"),
            v_head_dim=self.figures.count("v_head_dim"),
            q_lora_rank=self.figures.count("q_lora_rank"),
        )

    def _window(self, kv_heads: int | None, head_dim: int | None) -> SlidingWindow | None:
        figures = self.figures
        size = figures.count("sliding_window", "sliding_window_size", "attention_chunk_size")
        if not size or figures.flag("use_sliding_window") is False:
            return None
        own = figures.count("global_head_dim", "num_global_key_value_heads") is not None
        return SlidingWindow(
            window=size,
            global_layers=self._global_layers(),
            local_kv_heads=figures.count("swa_num_key_value_heads") or (kv_heads if own else None),
            local_head_dim=figures.count("swa_head_dim") or (head_dim if own else None),
            local_v_head_dim=figures.count("swa_v_head_dim"),
        )

    def _global_layers(self) -> tuple[int, ...] | None:
        """Layers without a window; None leaves it to what the architecture always does."""
        if any(kind in _WINDOWED for kind in self.types):
            return tuple(i for i, kind in enumerate(self.types) if kind not in _WINDOWED)
        pattern = self.figures.count("sliding_window_pattern", "_sliding_window_pattern")
        windowed = architectures.window_blocks(self.architecture, self.layers, pattern)
        return None if windowed is None else tuple(i for i, one in enumerate(windowed) if not one)

    def _moe(self) -> Moe | None:
        figures = self.figures
        experts = figures.count("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
        if not experts or experts == 1:
            return None
        length = figures.count("moe_intermediate_size", "expert_ffn_hidden_size")
        if length is None and self.kind in _EXPERT_IS_FFN:
            length = figures.count("intermediate_size")
        return Moe(
            experts=experts,
            experts_used=figures.count(
                "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k"
            ),
            shared_experts=figures.count("n_shared_experts", "num_shared_experts"),
            expert_ffn=length,
            leading_dense_layers=figures.count(
                "first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"
            ),
        )

    def _recurrent(self) -> Recurrent | None:
        figures = self.figures
        if figures.count("conv_L_cache"):
            return Recurrent(
                kind="short_conv",
                attention_layers=self._attending(figures.indices("full_attn_idxs")),
                conv_l_cache=figures.count("conv_L_cache"),
            )
        if figures.count("linear_num_value_heads"):
            return self._delta_net()
        if isinstance(figures.raw("linear_attn_config"), dict):
            return self._kimi_delta()
        state = figures.count("mamba_d_state", "ssm_state_size", "state_size")
        return self._mamba(state) if state else None

    def _attending(self, stated: tuple[int, ...] = ()) -> tuple[int, ...] | None:
        if self.types:
            return tuple(i for i, kind in enumerate(self.types) if kind in _FULL | _WINDOWED)
        return stated or None

    def _delta_net(self) -> Recurrent:
        figures = self.figures
        interval = figures.count("full_attention_interval") or 4
        attending = self._attending() or tuple(range(interval - 1, self.layers, interval))
        return Recurrent(
            kind="gated_delta_net",
            attention_layers=attending,
            conv_kernel=figures.count("linear_conv_kernel_dim"),
            linear_key_heads=figures.count("linear_num_key_heads"),
            linear_value_heads=figures.count("linear_num_value_heads"),
            linear_key_head_dim=figures.count("linear_key_head_dim"),
            linear_value_head_dim=figures.count("linear_value_head_dim"),
        )

    def _kimi_delta(self) -> Recurrent:
        inner = self.figures.inner("linear_attn_config")
        return Recurrent(
            kind="kda",
            attention_layers=tuple(index - 1 for index in inner.indices("full_attn_layers") if index),
            conv_kernel=inner.count("short_conv_kernel_size"),
            linear_value_heads=inner.count("num_heads"),
            linear_key_head_dim=inner.count("head_dim"),
            linear_value_head_dim=inner.count("head_dim"),
        )

    def _mamba(self, state: int) -> Recurrent:
        figures = self.figures
        heads = figures.count("mamba_n_heads", "mamba_num_heads")
        size = figures.count("mamba_d_head", "mamba_head_dim")
        inner = figures.count("mamba_d_ssm") or (heads * size if heads and size else None)
        if inner is None:
            inner = (figures.count("mamba_expand", "expand") or 2) * self.hidden
        return Recurrent(
            kind="mamba2" if heads else "mamba",
            attention_layers=self._mamba_attending(),
            parallel_branches=self.architecture in architectures.PARALLEL_RECURRENT or None,
            conv_kernel=figures.count("mamba_d_conv", "conv_kernel"),
            ssm_state_size=state,
            mamba_heads=heads,
            mamba_head_dim=size,
            mamba_groups=figures.count("mamba_n_groups", "n_groups"),
            mamba_d_inner=inner,
        )

    def _mamba_attending(self) -> tuple[int, ...] | None:
        figures = self.figures
        if self.architecture in architectures.PURE_RECURRENT:
            return ()
        if pattern := figures.word("hybrid_override_pattern"):
            return tuple(i for i, letter in enumerate(pattern) if letter == "*")
        if period := figures.count("attn_layer_period"):
            return tuple(range(figures.count("attn_layer_offset") or 0, self.layers, period))
        return self._attending(figures.indices("attn_layer_indices"))


def _quantization(figures: _Figures) -> str | None:
    """FP8, AWQ, GPTQ …; without quantization the type of the weights."""
    method = figures.inner("quantization_config").word("quant_method", "quant_algo")
    if method:
        return method.upper()
    name = figures.word("torch_dtype", "dtype").lower()
    return {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}.get(name)
