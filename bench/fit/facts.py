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
from launchpad.fit.weights import base_name, bits_per_weight
from launchpad.hardware.machine import Accelerator, Cpu

Row = dict[str, Any]
GIGA = 1e9
SMALLEST_SHARE_OF_BITS = 0.6
DATE = re.compile(r"\b(20\d\d)(?:-(\d\d))?")
# Year and number of llama.cpp's build, from rows that state both and from its releases.
BUILDS = (
    (2023.6, 900), (2023.9, 1500), (2024.08, 1900), (2024.37, 2850), (2024.96, 4327), (2025.55, 5863), (2025.6, 6100),
    (2025.98, 7423), (2026.1, 7948), (2026.37, 9180), (2026.56, 9775), (2026.83, 11434),
)  # fmt: skip


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
    shrink = {"q8_0": 0.53, "q4_0": 0.28}.get(row.get("kv_type") or "f16", 1.0)
    heads = row.get("gqa_ratio") or 4.0
    # Four operations per query and cached element: a 16-bit K and V pair of bytes counts half an element each.
    attention = heads * kv
    correction = size_correction(row)
    return Work(
        active_bytes=row["active_bytes"] * correction,
        kv_bytes=kv * shrink,
        state_bytes=row.get("recurrent_state_bytes") or 0,
        blocks=_blocks(row),
        moe=bool(row.get("moe")),
        mla=bool(row.get("mla")),
        gqa=heads,
        quantization=base_name(row["quant"]),
        parameters_active=row["active_params"],
        weights_bytes=row["weights_bytes"] * correction,
        attention_flops=attention,
        cache_products=heads * kv / 2,
    )


def size_correction(row: Row) -> float:
    """The factor on bytes of weights that were scaled to the file of another model.

    A file that holds less than three fifths of the bits that its quantization has for each weight is not that model's
    (some rows of gpt-oss-120b have the size of gpt-oss-20b).
    """
    nominal = bits_per_weight(row["quant"])
    stated = 8 * row["weights_bytes"] / row["params"] if row.get("params") else None
    return nominal / stated if nominal and stated and stated < SMALLEST_SHARE_OF_BITS * nominal else 1.0


def build_of(row: Row) -> int | None:
    """The number of llama.cpp's build, from the row's version or else from its date; None when it states neither."""
    version = row.get("engine_version") or ""
    if match := re.search(r"\bb(\d{4,5})\b", version):
        return int(match[1])
    for text in (version, row.get("date") or ""):
        # "2025-08 to 2026": the middle of what is stated.
        days = [
            int(year) + (int(month) - 0.5) / 12 if month else int(year) + 0.5
            for year, month in DATE.findall(text)
        ]
        if days:
            return build_at(sum(days) / len(days))
    return None


def build_at(year: float) -> int:
    """The number of the build of that time, between those whose time is known."""
    earlier = max((point for point in BUILDS if point[0] <= year), default=BUILDS[0])
    later = min((point for point in BUILDS if point[0] > year), default=BUILDS[-1])
    if earlier == later:
        return earlier[1]
    return round(earlier[1] + (later[1] - earlier[1]) * (year - earlier[0]) / (later[0] - earlier[0]))


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
