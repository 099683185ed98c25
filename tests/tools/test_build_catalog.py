"""The build tool on two simulated records: deterministic, schema-checked, honest about what is not known."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "build_catalog.py"

RECORD: dict[str, Any] = {
    "id": "smollm2-135m-instruct",
    "name": "Simulated model",
    "lab": "Lab",
    "lab_id": "lab",
    "country": "CH",
    "family": "F",
    "release_date": "2026-01",
    "release_date_source": "simulated",
    "licence": {
        "key": "mit", "name": "MIT", "spdx": "MIT", "class": "osi-open", "commercial_use": "yes", "evidence": ["card"],
        "verified": True,
    },
    "params_total_b": 8.0,
    "params_active_b": 8.0,
    "params_exact": 8_010_000_000,
    "params_exact_source": "simulated",
    "params_evidence": None,
    "architecture": {
        "llama_cpp": "qwen3", "layers": 36, "hidden_size": 4096, "attention_heads": 32, "kv_heads": 8, "head_dim_k": 128,
        "head_dim_v": 128, "vocab_size": 1000, "kv_shared_layers": None, "mla": None, "sliding_window": None,
        "hybrid": {"kind": "short-conv", "attention_layer_count": 6, "conv_L_cache": 3}, "moe": None, "source": "config.json",
        "notes": None,
    },
    "max_context": 4096,
    "modalities_in": ["text"],
    "capabilities": {
        "tools": None, "thinking": "none", "vision": False, "audio": False, "code_specialised": False, "multilingual": None,
    },
    "hf_repo": "Lab/Model",
    "gguf": [
        {"repo": "Lab/Model-GGUF", "date": "2026-02-01", "quants": [{"quant": "Q8_0", "size_bytes": None, "size_gib_rounded": 8.0}]},
        {"repo": "unsloth/Model-GGUF", "date": "2026-02-01", "quants": [
            {"quant": "Q8_0", "size_bytes": 8_500_000_000, "size_gib_rounded": None},
            {"quant": "Q4_K_M", "size_bytes": None, "size_gib_rounded": None}]},
        {"repo": "stranger/Model-GGUF", "date": "2026-02-01", "quants": [{"quant": "Q4_K_M", "size_bytes": 5_000_000_000}]},
    ],
    "ollama": [
        {"tag": "model:8b", "size": "5.2GB", "quant": None, "digest": "a", "size_bytes": None, "projector_bytes": None, "date": "2026-02-01"},
        {"tag": "model:8b-q4_K_M", "size": "5.2GB", "quant": "q4_k_m", "digest": "a", "size_bytes": None, "projector_bytes": None, "date": "2026-02-01"},
    ],
    "native_quants": [{"format": "FP8", "repo": "Lab/Model-FP8"}],
    "modelscope_id": None,
    "scores": None,
    "derived_fields": [],
    "notes": None,
}  # fmt: skip


def scored(number: int) -> dict[str, Any]:
    """A simulated record with two scores, so that instruments can be fitted."""
    record = copy.deepcopy(RECORD)
    record["id"] = record["hf_repo"] = f"other-{number}"
    record["scores"] = [
        {"benchmark": name, "value": 20.0 + 5 * number + extra, "unit": "%", "variant": "default", "slug": "x",
         "estimated": None, "kind": "independent", "source": "simulated", "date": "2026-03-01"}
        for name, extra in (("SciCode", 0), ("AA-LCR", 3), ("LiveCodeBench", 7))
    ]  # fmt: skip
    record["ollama"] = None
    return record


def run(folder: Path, records: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    facts = folder / "facts.json"
    facts.write_text(json.dumps(records), "utf-8")
    command = [sys.executable, str(TOOL), str(facts), str(folder / "out")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(name="built")
def _built(tmp_path: Path) -> dict[str, Any]:
    done = run(tmp_path, [*(scored(i) for i in range(10)), RECORD])
    assert done.returncode == 0, done.stderr
    packed = json.loads((tmp_path / "out" / "models.json").read_text("utf-8"))
    return {entry["model"]["id"]: entry for entry in packed["models"]}


def test_same_input_same_bytes_in_any_order(tmp_path: Path) -> None:
    records = [*(scored(i) for i in range(10)), RECORD]
    names = ("models.json", "evidence.jsonl", "labs.json")
    contents = []
    for turn in (records, records[::-1]):
        assert run(tmp_path, turn).returncode == 0
        contents.append([(tmp_path / "out" / name).read_bytes() for name in names])
    assert contents[0] == contents[1]


def test_the_known_converter_with_exact_bytes_wins_over_rounded_and_over_strangers(
    built: dict[str, Any],
) -> None:
    gguf = built["smollm2-135m-instruct"]["builds"]["gguf"]
    assert gguf == {"unsloth/Model-GGUF": {"sizes": {"Q8_0": 8_500_000_000, "Q4_K_M": None}}}


def test_tags_of_one_blob_are_one_build_whose_quantization_is_known(built: dict[str, Any]) -> None:
    entry = built["smollm2-135m-instruct"]
    assert entry["builds"]["ollama"] == {"model:8b": ["Q4_K_M", [5_200_000_000]]}
    assert "model:8b" in entry["model"]["aliases"]
    assert "model:8b-q4_k_m" not in entry["model"]["aliases"]


def test_shape_names_follow_the_catalogs_types(built: dict[str, Any]) -> None:
    recurrent = built["smollm2-135m-instruct"]["model"]["shape"]["recurrent"]
    assert recurrent == {"kind": "short_conv", "attention_layer_count": 6, "conv_l_cache": 3}
    assert built["smollm2-135m-instruct"]["model"]["parameters"] == 8_010_000_000


def test_scores_make_quality_and_none_make_none(built: dict[str, Any]) -> None:
    assert "quality" not in built["smollm2-135m-instruct"]["model"]
    values = [built[f"other-{i}"]["model"]["quality"]["value"] for i in range(10)]
    assert values == sorted(values)


def test_a_record_that_does_not_fit_the_schema_stops_the_build(tmp_path: Path) -> None:
    wrong = copy.deepcopy(RECORD)
    wrong["architecture"]["layers"] = "many"
    done = run(tmp_path, [*(scored(i) for i in range(10)), wrong])
    assert done.returncode != 0
    assert "\nsmollm2-135m-instruct: " in done.stderr
    assert "Traceback" not in done.stderr
