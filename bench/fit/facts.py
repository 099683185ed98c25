"""Reads the files of measured facts and gives them the product's own types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from launchpad.fit.from_gguf import layout_from_metadata
from launchpad.fit.layout import Layout
from launchpad.fit.result import Settings
from launchpad.fit.speed import SCAN_BLOCKS, SHORT_CONVOLUTION_BLOCKS, Work
from launchpad.fit.tensors import WeightSums
from launchpad.fit.weights import base_name
from launchpad.hardware.machine import Accelerator, Cpu

Row = dict[str, Any]
GIGA = 1e9


def load(path: Path) -> Any:
    """One JSON document."""
    return json.loads(path.read_text())


def layout_of(model: Row) -> Layout:
    """The layout of a model that is given by metadata and sums over its tensors."""
    weights, largest = model["weight_bytes"], model["largest_bytes"]
    sums = WeightSums(
        token_embd=weights["token_embd"],
        output=weights["output_and_norms"],
        tied=weights["tied_embeddings"],
        blocks=tuple(weights["layers"]),
        experts=tuple(weights["experts"]),
        per_layer_embd=weights["per_layer_token_embd"],
        largest_up=tuple(largest["ffn_up"]),
        largest_down=tuple(largest["ffn_down"]),
        largest_expert_up=tuple(largest["exps_up"]),
        largest_expert_down=tuple(largest["exps_down"]),
        vocab=model["n_vocab"],
        quantization=model["quant"],
        rope_factors=has_rope_factors(model),
    )
    return layout_from_metadata({"general.architecture": model["gguf_arch"], **model["metadata"]}, sums)


def has_rope_factors(model: Row) -> bool:
    """True when there is a tensor beyond those of the blocks, the embedding, the output and its norm.

    The facts do not list tensors; where all blocks are alike their number tells.
    """
    weights = model["weight_bytes"]
    outside = 2 if weights["tied_embeddings"] else 3
    return (model["n_tensors"] - outside) % len(weights["layers"]) in (1, 2)


def settings_of(case: Row, layout: Layout) -> Settings:
    """The settings that a case ran with."""
    placement, _, number = case["placement"].partition("-n")
    gpu_layers = 0 if placement == "cpu" else layout.layers + 1
    aside = 0
    if number.startswith("gl"):
        gpu_layers = int(number[2:])
    elif number.startswith("cmoe"):
        aside = int(number[4:])
    return Settings(
        context=case["n_ctx"],
        parallel=case["n_parallel"],
        kv_unified=case["kv_unified"],
        kv_type_k=case["type_k"],
        kv_type_v=case["type_v"],
        batch=case["n_batch"],
        ubatch=case["n_ubatch"],
        flash_attention=case["flash_attn"] != "off" and not case.get("flash_attn_was_switched_off"),
        swa_full=case["swa_full"],
        repack=False,
        mmap=False,
        gpu_layers=gpu_layers,
        cpu_moe_layers=aside,
    )


def accelerator_of(device: Row) -> Accelerator:
    """An accelerator as the table of devices describes it."""
    bandwidth, tflops = device["bandwidth_gbps"], device["fp32_tflops"]
    return Accelerator(
        index=0,
        vendor=device["vendor"],
        name=device["id"],
        apis=tuple(device["apis"]),
        arch=device["arch"],
        bandwidth=bandwidth * GIGA if bandwidth else None,
        fp32_flops=tflops * 1e12 if tflops else None,
        unified=device["unified_memory"],
    )


def work_of(row: Row) -> Work:
    """What one token of a measured run costs."""
    depth = (row.get("depth") or 0) + (row["n_tokens"] or 0) / 2
    window = min(depth, (row.get("swa_window") or 0))
    kv = depth * row["kv_bytes_per_token"] + window * (row.get("kv_bytes_per_token_swa") or 0)
    shrink = {"q8_0": 0.53, "q4_0": 0.28}.get(row.get("kv_type"), 1.0)
    heads = row.get("gqa_ratio") or 4.0
    # Four operations per query and cached element: a 16-bit K and V pair of bytes counts half an element each.
    attention = heads * kv
    return Work(
        active_bytes=row["active_bytes"],
        kv_bytes=kv * shrink,
        state_bytes=row.get("recurrent_state_bytes") or 0,
        blocks=_blocks(row),
        moe=bool(row.get("moe")),
        mla=bool(row.get("mla")),
        gqa=heads,
        quantization=base_name(row["quant"]),
        parameters_active=row["active_params"],
        weights_bytes=row["weights_bytes"],
        attention_flops=attention,
    )


def _blocks(row: Row) -> float:
    """Blocks by the time that starting their kernels takes.

    The rows state no layouts: of published hybrids about three blocks in four do not attend, and only those
    with a scan keep more than 64 KiB for each.
    """
    blocks: float = row["n_layers"]
    state = row.get("recurrent_state_bytes") or 0
    if not state:
        return blocks
    factor = SCAN_BLOCKS if state > blocks * 65536 else SHORT_CONVOLUTION_BLOCKS
    return blocks * (0.25 + 0.75 * factor)


def cpu_of(text: str | None) -> Cpu:
    """A processor whose theoretical bandwidth is computed from a note such as `DDR4-3200 x2`."""
    match = re.search(r"DDR\d\w*-(\d+) x(\d+)", text or "")
    if not match:
        return Cpu(model=text)
    return Cpu(model=text, bandwidth=8e6 * int(match[1]) * int(match[2]))
