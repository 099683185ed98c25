"""The program that compares our figures with measured facts, on a few facts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "bench" / "fit"
# Llama 2 7B Q4_K_M in main memory with 2048 tokens of context: weights, cache and scratch that llama.cpp b11434 computes.
LLAMA: dict[str, Any] = {
    "model": "llama-2-7b", "gguf_arch": "llama", "family": "dense", "quant": "Q4_K_M", "n_vocab": 32000,
    "metadata": {
        "llama.context_length": 4096, "llama.embedding_length": 4096, "llama.block_count": 32,
        "llama.feed_forward_length": 11008, "llama.attention.head_count": 32, "llama.attention.head_count_kv": 32,
        "llama.attention.key_length": 128, "llama.attention.value_length": 128, "llama.rope.dimension_count": 128,
        "llama.vocab_size": 32000,
    },
    "n_params": 6738415616, "n_tensors": 291,
    "weight_bytes": {
        "token_embd": 73728000, "per_layer_token_embd": 0, "output_and_norms": 107536384, "tied_embeddings": False,
        "layers": [129818624] * 16 + [113868800] * 16, "experts": [0] * 32,
    },
    "largest_bytes": {
        "ffn_up": [25362432] * 32, "ffn_down": [36986880] * 32, "exps_up": [0] * 32, "exps_down": [0] * 32,
    },
}  # fmt: skip
CASE: dict[str, Any] = {
    "id": "m0", "model": "llama-2-7b", "placement": "cpu", "n_ctx": 2048, "n_ubatch": 512, "n_batch": 2048,
    "n_parallel": 1, "kv_unified": False, "type_k": "f16", "type_v": "f16", "flash_attn": "auto", "swa_full": False,
    "kv_on_gpu": True, "n_outputs_max": 1, "buffers": {"CPU": [4080263168, 1073741824, 111691808]},
}  # fmt: skip
RUN: dict[str, Any] = {
    "id": "s1", "hardware": "RTX 3090", "hw_class": "gpu", "n_gpu": 1, "backend": "cuda", "engine": "llama.cpp",
    "engine_version": "b9718", "model": "llama-2-7b", "quant": "Q4_0", "test": "tg", "n_tokens": 128, "depth": 0,
    "kv_type": "f16", "offload": "full", "tok_s": 158.0, "weights_bytes": 3822520893, "active_bytes": 3748841949,
    "params": 6738415616, "active_params": 6607077376, "gqa_ratio": 1.0, "mla": False, "kv_bytes_per_token": 524288,
    "kv_bytes_per_token_swa": 0, "swa_window": 0, "recurrent_state_bytes": 0, "n_layers": 32, "moe": False,
}  # fmt: skip
DEVICE: dict[str, Any] = {
    "id": "RTX 3090", "vendor": "nvidia", "unified_memory": False, "memory_gib": [24.0], "bandwidth_gbps": 936.2,
    "fp32_tflops": 35.58, "arch": "8.6", "apis": ["cuda", "vulkan"],
}  # fmt: skip
DECODE = {"median", "mape", "band_share"}


@pytest.fixture
def speeds(tmp_path: Path) -> Path:
    rows = [
        RUN,
        RUN | {"id": "s2", "tok_s": 79.0},
        RUN | {"id": "s3", "test": "pp", "n_tokens": 512, "tok_s": 5175.0},
        RUN | {"id": "s4", "offload": "ngl=28", "cpu": "x (DDR4-3200 x2)", "tok_s": 40.0},
        RUN | {"id": "s5", "n_gpu": 2, "tok_s": 1.0},
        RUN | {"id": "s6", "suspect": "reads more than there is", "tok_s": 1.0},
    ]
    (tmp_path / "hardware.json").write_text(json.dumps({"devices": [DEVICE]}))
    path = tmp_path / "speed.json"
    path.write_text(json.dumps({"rows": rows}))
    return path


def ran(*arguments: str | Path) -> str:
    command = [sys.executable, FOLDER / "errors.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_json_holds_what_is_judged(speeds: Path, tmp_path: Path):
    memory = tmp_path / "memory.json"
    memory.write_text(json.dumps({"models": [LLAMA], "cases": [CASE]}))
    found = json.loads(ran("--memory", memory, "--speed", speeds, "--json"))
    assert set(found) == {"memory", "speed"}
    assert set(found["memory"]) == {"total_one_gpu", "kv_exact_share", "weights_exact_share", "compute"}
    assert set(found["memory"]["total_one_gpu"]) == {"mape", "worst"}
    assert set(found["memory"]["compute"]) == {"cpu", "gpu", "gpu2", "partial"}
    assert found["memory"]["kv_exact_share"] == found["memory"]["weights_exact_share"] == 1.0
    assert found["memory"]["compute"]["cpu"] < 0.02
    decode = found["speed"]["decode"]
    assert set(decode) == DECODE | {"by_backend"}
    assert {name: set(row) for name, row in decode["by_backend"].items()} == {"cuda": DECODE}
    assert set(found["speed"]["prefill"]) == set(found["speed"]["partial_offload"]) == {"median"}


def test_errors_are_fractions_of_the_truth_and_bands_count(speeds: Path):
    decode = json.loads(ran("--speed", speeds, "--json"))["speed"]["decode"]
    # The same prediction, once near the truth and once twice as high: runs on two cards or of doubt do not count.
    assert decode["band_share"] == 0.5
    assert 0.4 < decode["median"] == decode["mape"] < 0.65


def test_tables_come_before_the_json(speeds: Path):
    said = ran("--speed", speeds)
    assert "decode, cuda, RTX 3090" in said
    assert said.index("in band %") < said.index('"speed"')


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    import facts

    return facts


def test_the_size_of_another_model_s_file_is_put_right(facts: Any):
    assert facts.size_correction(RUN) == 1.0
    wrong = RUN | {"quant": "MXFP4", "params": 116.8e9, "weights_bytes": 12.1e9, "active_bytes": 0.7e9}
    assert wrong["weights_bytes"] * facts.size_correction(wrong) == pytest.approx(64e9, rel=0.03)
    assert facts.work_of(wrong).active_bytes > 3e9


@pytest.mark.parametrize(
    ("version", "date", "build"),
    [
        ("b9775 / be4a6a", "2026-07-24", 9775),
        ("2024-05", None, 2840),
        (None, "2025-12", 7300),
        ("2023-11 to 2025", None, 3645),
        ("13f2b28", "2026-07-12", 9718),
        (None, None, None),
    ],
)
def test_a_row_without_a_build_has_that_of_its_date(
    facts: Any, version: str | None, date: str | None, build: int | None
):
    found = facts.build_of({"engine_version": version, "date": date})
    assert found == (None if build is None else pytest.approx(build, abs=120))


def test_the_floor_is_what_other_parties_tell_of_the_same_thing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import floor

    def row(speed: float, source: str, version: str = "b9718", **more: object) -> dict[str, Any]:
        return RUN | {"tok_s": speed, "source": source, "engine_version": version, **more}

    rows = [
        row(100.0, "one"), row(110.0, "one"), row(80.0, "two"), row(50.0, "three", "b3000"),
        row(10.0, "four", depth=8000), row(10.0, "four", suspect="x"), row(999.0, "one", quant="Q8_0"),
    ]  # fmt: skip
    found = floor.combinations({"rows": rows}, "tg")
    assert [len(rows) for rows in found] == [4]
    assert list(floor.errors(found, near=True)) == pytest.approx([0.2, 30 / 110, 25 / 80])
    assert next(iter(floor.errors(found, near=False))) == pytest.approx(0.35)  # the median of 80 and 50


def test_names_of_repositories_are_those_of_the_facts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import peers

    names = {
        "meta-llama/Meta-Llama-3.1-8B-Instruct": "llama-3.1-8b",
        "google/gemma-3-27b-it": "gemma-3-27b",
        "mistralai/Mistral-7B-Instruct-v0.3": "mistral-7b",
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "nemotron-3-nano-30b-a3b",
        "Qwen/Qwen3-30B-A3B-Instruct-2507": "qwen3-30b-a3b",
        "someone/Qwen3-8B-heretic": "qwen3-8b-heretic",
    }
    assert {name: peers.plain_name(name) for name in names} == names
