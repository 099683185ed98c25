"""Networks and buffers from the file of measured cases, and small machines to place models on."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from launchpad.catalog.model import Build, Model, Moe, MultiHeadLatent, Recurrent, Shape, SlidingWindow
from launchpad.fit.from_gguf import layout_from_metadata
from launchpad.fit.layout import Layout
from launchpad.fit.result import Settings
from launchpad.fit.tensors import WeightSums
from launchpad.hardware.machine import Accelerator, Cpu, Machine, Memory

GIB = 1 << 30
CASES = Path(__file__).parent / "fit" / "data" / "memory_cases.json"


@cache
def facts() -> dict[str, Any]:
    return json.loads(CASES.read_text())


@cache
def layouts() -> dict[str, Layout]:
    return {model["model"]: _layout(model) for model in facts()["models"]}


def cases(*kinds: str) -> list[dict[str, Any]]:
    """The cases of these placements: cpu, gpu, gpu2, gpu-ngl, gpu-ncmoe."""
    return [case for case in facts()["cases"] if kind_of(case) in kinds]


def kind_of(case: dict[str, Any]) -> str:
    placement = case["placement"]
    if placement.startswith("gpu2"):
        return "gpu2"
    return placement.rstrip("0123456789")


def settings_of(case: dict[str, Any]) -> Settings:
    layers = layouts()[case["model"]].layers
    kind, number = kind_of(case), case["placement"].lstrip("gpu-nlcmoe")
    return Settings(
        context=case["n_ctx"],
        parallel=case["n_parallel"],
        kv_unified=case["kv_unified"],
        kv_type_k=case["type_k"],
        kv_type_v=case["type_v"],
        batch=case["n_batch"],
        ubatch=case["n_ubatch"],
        flash_attention=case["flash_attn"] != "off",
        swa_full=case["swa_full"],
        repack=False,
        gpu_layers=0 if kind == "cpu" else int(number) if kind == "gpu-ngl" else layers + 1,
        cpu_moe_layers=int(number) if kind == "gpu-ncmoe" else 0,
    )


def _layout(model: dict[str, Any]) -> Layout:
    sums = WeightSums(
        token_embd=model["token_embd"],
        output=model["output"],
        tied=model["tied"],
        blocks=_spread(model["blocks"]),
        experts=_spread(model["experts"]),
        per_layer_embd=model["per_layer_embd"],
        largest_up=_spread(model["up"]),
        largest_down=_spread(model["down"]),
        largest_expert_up=_spread(model["expert_up"]),
        largest_expert_down=_spread(model["expert_down"]),
        vocab=model["vocab"],
        quantization=model["quantization"],
        rope_factors=model["rope_factors"],
    )
    return layout_from_metadata({"general.architecture": model["architecture"], **model["metadata"]}, sums)


def _spread(runs: list[list[int]]) -> tuple[int, ...]:
    return tuple(value for value, repeats in runs for _ in range(repeats))


def machine(ram: float, *accelerators: Accelerator, bandwidth: float | None = 60e9, **fields: Any) -> Machine:
    """A computer with so many GiB of free memory."""
    cpu = Cpu(isa=("avx2",), cores_physical=8, bandwidth=bandwidth, bandwidth_measured=bandwidth is not None)
    memory = Memory(total=int((ram + 4) * GIB), available=int(ram * GIB))
    terms: dict[str, Any] = {"name": "test", "cpu": cpu, "memory": memory, "accelerators": accelerators}
    return Machine(**{**terms, **fields})


def nvidia(size: float, index: int = 0, *, bandwidth: float | None = 936e9, **fields: Any) -> Accelerator:
    """A graphics card with so many GiB of free memory."""
    terms: dict[str, Any] = {
        "index": index,
        "vendor": "nvidia",
        "name": f"RTX {index}",
        "apis": ("cuda", "vulkan"),
        "arch": "8.6",
        "memory_total": int(size * GIB),
        "memory_free": int(size * GIB),
        "bandwidth": bandwidth,
        "fp32_flops": 36e12,
    }
    return Accelerator(**{**terms, **fields})


def apple(size: float) -> Accelerator:
    """A GPU that may use so many GiB of the machine's own memory."""
    return Accelerator(
        index=0,
        vendor="apple",
        name="M4 Pro",
        apis=("metal",),
        arch="m4",
        memory_total=int(size * GIB),
        memory_free=int(size * GIB),
        bandwidth=273e9,
        fp32_flops=8e12,
        unified=True,
    )


def model_of(
    name: str, shape: Shape, parameters: float, active: float | None = None, context: int = 131072
) -> Model:
    return Model(
        id=name,
        name=name,
        lab="Lab",
        lab_id="lab",
        parameters=parameters,
        parameters_active=active,
        context=context,
        shape=shape,
    )


def build_of(name: str, size: int | None, quantization: str = "Q4_K_M", **fields: Any) -> Build:
    terms: dict[str, Any] = {
        "ref": f"hf://lab/{name}:{quantization}",
        "format": "gguf",
        "quantization": quantization,
        "size": size,
        "size_exact": size is not None,
    }
    return Build(**{**terms, **fields})


QWEN3_8B = model_of(
    "qwen3-8b",
    Shape(
        architecture="qwen3",
        layers=36,
        hidden_size=4096,
        attention_heads=32,
        kv_heads=8,
        head_dim_k=128,
        head_dim_v=128,
        vocab_size=151936,
        tied_embeddings=False,
    ),
    8.19e9,
)
QWEN3_8B_Q4 = build_of("qwen3-8b", 5_027_783_872)
LLAMA_70B = model_of(
    "llama-70b",
    Shape(
        architecture="llama",
        layers=80,
        hidden_size=8192,
        attention_heads=64,
        kv_heads=8,
        head_dim_k=128,
        head_dim_v=128,
        vocab_size=128256,
        tied_embeddings=False,
    ),
    70.6e9,
)
LLAMA_70B_Q4 = build_of("llama-70b", 42_520_395_584)
GPT_OSS_120B = model_of(
    "gpt-oss-120b",
    Shape(
        architecture="gpt-oss",
        layers=36,
        hidden_size=2880,
        attention_heads=64,
        kv_heads=8,
        head_dim_k=64,
        head_dim_v=64,
        vocab_size=201088,
        window=SlidingWindow(window=128, global_layers=tuple(range(1, 36, 2))),
        moe=Moe(experts=128, experts_used=4, expert_ffn=2880),
        tied_embeddings=False,
    ),
    116.8e9,
    5.1e9,
)
GPT_OSS_120B_MXFP4 = build_of("gpt-oss-120b", 63_387_346_464, "MXFP4")
GEMMA_3_27B = model_of(
    "gemma-3-27b",
    Shape(
        architecture="gemma3",
        layers=62,
        hidden_size=5376,
        attention_heads=32,
        kv_heads=16,
        head_dim_k=128,
        head_dim_v=128,
        vocab_size=262208,
        window=SlidingWindow(window=1024, global_layer_count=10),
        tied_embeddings=True,
    ),
    27e9,
)
DEEPSEEK_V3 = model_of(
    "deepseek-v3",
    Shape(
        architecture="deepseek2",
        layers=61,
        hidden_size=7168,
        attention_heads=128,
        kv_heads=128,
        head_dim_k=192,
        head_dim_v=128,
        vocab_size=129280,
        mla=MultiHeadLatent(
            kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128, q_lora_rank=1536
        ),
        moe=Moe(experts=256, experts_used=8, shared_experts=1, expert_ffn=2048, leading_dense_layers=3),
        tied_embeddings=False,
    ),
    671e9,
    37e9,
)
QWEN35_9B = model_of(
    "qwen3.5-9b",
    Shape(
        architecture="qwen35",
        layers=32,
        hidden_size=4096,
        attention_heads=16,
        kv_heads=4,
        head_dim_k=256,
        head_dim_v=256,
        vocab_size=248320,
        recurrent=Recurrent(
            kind="gated_delta_net",
            attention_layers=tuple(range(3, 32, 4)),
            conv_kernel=4,
            linear_key_heads=16,
            linear_value_heads=32,
            linear_key_head_dim=128,
            linear_value_head_dim=128,
        ),
        tied_embeddings=False,
    ),
    8.95e9,
    context=262144,
)
