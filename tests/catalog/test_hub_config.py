"""Shapes from config.json: each family's own words, and hostile figures."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.catalog.hub_config import parse_config
from launchpad.catalog.model import Moe, MultiHeadLatent, Shape
from launchpad.errors import BadModelFile
from launchpad.lookup.model_facts import facts_of_config
from safetensors_bytes import config


def shape(**fields: object) -> Shape:
    return parse_config(config(**fields), tied=True).shape


def test_a_plain_network() -> None:
    found = parse_config(config(), tied=False)
    assert found.context == 2048
    assert found.quantization == "BF16"
    assert found.shape == Shape(
        architecture="llama",
        layers=2,
        hidden_size=64,
        attention_heads=4,
        kv_heads=2,
        head_dim_k=16,
        head_dim_v=16,
        ffn=128,
        vocab_size=32,
        tied_embeddings=False,
    )


def test_the_language_model_of_a_multimodal_one_counts() -> None:
    inner = {"num_hidden_layers": 7, "model_type": "qwen3"}
    found = shape(model_type="qwen3_vl", text_config=inner, vision_config={"num_hidden_layers": 99})
    assert (found.layers, found.architecture) == (7, "qwen3")


def test_latent_attention_and_experts() -> None:
    found = shape(
        model_type="deepseek_v3",
        kv_lora_rank=512,
        q_lora_rank=1536,
        qk_rope_head_dim=64,
        qk_nope_head_dim=128,
        v_head_dim=128,
        n_routed_experts=256,
        num_experts_per_tok=8,
        n_shared_experts=1,
        moe_intermediate_size=2048,
        first_k_dense_replace=3,
    )
    assert found.architecture == "deepseek2"
    assert found.mla == MultiHeadLatent(
        kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128, q_lora_rank=1536
    )
    assert found.moe == Moe(
        experts=256, experts_used=8, shared_experts=1, expert_ffn=2048, leading_dense_layers=3
    )


def test_the_length_of_mixtral_s_experts_is_that_of_its_feed_forward() -> None:
    found = shape(model_type="mixtral", num_local_experts=8, num_experts_per_tok=2, sliding_window=None)
    assert found.moe and found.moe.expert_ffn == 128


@pytest.mark.parametrize(
    ("fields", "layers"),
    [
        ({"model_type": "gpt_oss", "layer_types": ["sliding_attention", "full_attention"] * 2}, (1, 3)),
        ({"model_type": "gemma3_text", "sliding_window_pattern": 2}, (1, 3)),
        ({"model_type": "gemma2"}, (1, 3)),
        ({"model_type": "mistral"}, (0, 1, 2, 3)),
    ],
)
def test_which_layers_see_everything(fields: dict[str, object], layers: tuple[int, ...]) -> None:
    found = shape(sliding_window=128, num_hidden_layers=4, **fields)
    assert found.window and found.window.window == 128
    assert found.window.global_layers == layers


def test_a_window_that_is_switched_off_is_none() -> None:
    assert shape(model_type="qwen2", sliding_window=4096, use_sliding_window=False).window is None


def test_global_layers_with_heads_of_their_own() -> None:
    found = shape(
        model_type="gemma4_text",
        sliding_window=512,
        head_dim=256,
        global_head_dim=512,
        num_global_key_value_heads=1,
    )
    assert (found.kv_heads, found.head_dim_k) == (1, 512)
    assert found.window and (found.window.local_kv_heads, found.window.local_head_dim) == (2, 256)


def test_gated_delta_nets() -> None:
    linear = {"linear_num_value_heads": 32, "linear_num_key_heads": 16, "linear_key_head_dim": 128}
    found = shape(model_type="qwen3_next", num_hidden_layers=8, full_attention_interval=4, **linear)
    assert found.recurrent and found.recurrent.kind == "gated_delta_net"
    assert found.recurrent.attention_layers == (3, 7)
    assert found.recurrent.linear_value_heads == 32


def test_mamba_hybrids() -> None:
    found = shape(
        model_type="granitemoehybrid",
        layers_block_type=["mamba", "attention"],
        mamba_d_state=128,
        mamba_n_heads=48,
        mamba_d_head=32,
        mamba_n_groups=1,
        mamba_d_conv=4,
    )
    assert found.recurrent and found.recurrent.attention_layers == (1,)
    assert (found.recurrent.mamba_d_inner, found.recurrent.ssm_state_size) == (1536, 128)


def test_short_convolutions() -> None:
    found = shape(model_type="lfm2", conv_L_cache=3, full_attn_idxs=[1])
    assert found.recurrent and (found.recurrent.kind, found.recurrent.attention_layers) == (
        "short_conv",
        (1,),
    )


def test_quantized_weights_are_called_by_their_method() -> None:
    text = config(quantization_config={"quant_method": "fp8"})
    assert parse_config(text).quantization == "FP8"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"{" * 5000,
        b'{"num_hidden_layers": 2}',
        b" " * (5 << 20),
        config(num_hidden_layers=0),
        config(num_hidden_layers=-1),
        config(num_hidden_layers="2"),
        config(num_hidden_layers=True),
        config(num_hidden_layers=1 << 20),
        config(hidden_size=1 << 40),
        config(hidden_size=10**30),
        config(num_attention_heads=1.5),
        config(vocab_size={}),
        config(sliding_window=-5),
        config(layer_types=["full_attention"] * 5000),
        config(conv_L_cache=3, full_attn_idxs=["x"]),
    ],
    ids=lambda text: text[:40].decode(),
)
def test_what_cannot_be_is_refused(text: bytes) -> None:
    with pytest.raises(BadModelFile):
        parse_config(text)


NAMES = sorted(
    {
        *json.loads(config()),
        *(
            "kv_lora_rank",
            "qk_rope_head_dim",
            "sliding_window",
            "layer_types",
            "num_experts",
            "num_experts_per_tok",
        ),
        *("moe_intermediate_size", "first_k_dense_replace", "linear_num_value_heads", "linear_key_head_dim"),
        *(
            "conv_L_cache",
            "mamba_d_state",
            "mamba_d_head",
            "mamba_n_heads",
            "text_config",
            "quantization_config",
        ),
        *(
            "num_kv_shared_layers",
            "head_dim",
            "global_head_dim",
            "hidden_size_per_layer_input",
            "linear_attn_config",
        ),
    }
)
VALUES = (
    st.integers(0, 300)
    | st.integers()
    | st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.sampled_from([[], {}, ["sliding_attention"], ["full_attention", "linear_attention"], [3, 4]])
    | st.sampled_from(["mamba", "deepseek_v3", "gemma3n", "falcon_h1", "qwen3_next", "lfm2"])
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8), st.integers(1, 1 << 44))
def test_any_figures_give_facts_or_one_kind_of_error(fields: dict[str, object], size: int) -> None:
    with contextlib.suppress(BadModelFile):
        facts_of_config(parse_config(config(**fields)), size)
