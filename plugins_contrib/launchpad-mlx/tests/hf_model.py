"""SmolLM2's GGUF file as the folder of a model in safetensors: what MLX reads, from the one real model that the tests have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from gguf import GGUFReader, quants

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def write(source: Path, folder: Path) -> Path:
    """Write it; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    reader = GGUFReader(source)

    def fact(key: str) -> Any:
        return reader.fields[key].contents()

    heads, kv_heads = fact("llama.attention.head_count"), fact("llama.attention.head_count_kv")
    save_file(
        _weights(reader, {"attn_q": heads, "attn_k": kv_heads}),
        folder / "model.safetensors",
        {"format": "pt"},
    )
    about = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": fact("llama.embedding_length"),
        "intermediate_size": fact("llama.feed_forward_length"),
        "num_hidden_layers": fact("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": fact("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": fact("llama.rope.freq_base"),
        "vocab_size": fact("llama.vocab_size"),
        "max_position_embeddings": fact("llama.context_length"),
        "tie_word_embeddings": True,
        "bos_token_id": fact("tokenizer.ggml.bos_token_id"),
        "eos_token_id": fact("tokenizer.ggml.eos_token_id"),
        "hidden_act": "silu",
    }
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(fact)))
    words = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": fact("tokenizer.ggml.tokens")[fact("tokenizer.ggml.eos_token_id")],
        "chat_template": fact("tokenizer.chat_template"),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    return folder


def _weights(reader: GGUFReader, heads: dict[str, int]) -> dict[str, Any]:
    found = {}
    for tensor in reader.tensors:
        values = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float16)
        *block, name = tensor.name.removesuffix(".weight").split(".")
        if name in heads:  # llama.cpp interleaves the halves that are rotated together
            count = heads[name]
            values = values.reshape(count, -1, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        prefix = f"model.layers.{block[1]}." if block else ""
        found[f"{prefix}{_NAMES[name]}.weight"] = values
    return found


def _tokenizer(fact: Any) -> dict[str, Any]:
    tokens = fact("tokenizer.ggml.tokens")
    control = [number for number, kind in enumerate(fact("tokenizer.ggml.token_type")) if kind == 3]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": number, "content": tokens[number], **flags} for number in control],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, bytes_],
        },
        "decoder": bytes_,
        "model": {
            "type": "BPE",
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [merge.split(" ", 1) for merge in fact("tokenizer.ggml.merges")],
        },
    }
