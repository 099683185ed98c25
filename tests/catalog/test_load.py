"""The packaged catalog: complete, small, decodable, and true to published figures."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import resources
from typing import get_args

import pytest

from launchpad.catalog.load import labs, load_evidence, load_packaged
from launchpad.catalog.model import Format, LicenseClass, Model
from launchpad.catalog.reference import parse

DATE, MODELS = load_packaged()
BY_ID = {model.id: model for model in MODELS}

REQUIRED_LABS = {
    "meta", "ibm", "microsoft", "xai", "openai", "google", "alibaba", "moonshot", "deepseek", "zai", "01ai",
    "mistral", "baidu", "amazon", "anthropic",
}  # fmt: skip


def test_one_record_per_model_variant() -> None:
    assert len(BY_ID) == len(MODELS) == 406
    assert DATE.isoformat() >= "2026-10-01"


def test_what_is_read_at_every_start_stays_small() -> None:
    assert len(resources.files("launchpad.catalog").joinpath("data/models.json").read_bytes()) < 600_000


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from launchpad.catalog.load import load_packaged; load_packaged();"
        "print([m for m in ('httpx2','huggingface_hub','rich','psutil','json.tool') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_lab_that_people_look_for_is_there() -> None:
    known = {lab.id: lab for lab in labs()}
    assert set(known) >= REQUIRED_LABS
    made = {model.lab_id for model in MODELS}
    assert {lab.id for lab in labs() if lab.open_weights} == made
    assert not known["anthropic"].open_weights
    assert known["anthropic"].remark


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_record_is_sound(model: Model) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", model.id)
    assert model.parameters is not None
    assert model.parameters > 1e8
    assert model.parameters_active is None or model.parameters_active <= model.parameters * 1.001
    assert model.license.kind is None or model.license.kind in get_args(LicenseClass)
    if model.quality is not None:
        assert 0 < model.quality.value < 100
        assert 0.5 < model.quality.spread < 30
        assert model.quality.measurements >= 2
        assert model.quality.sources


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_builds_are_canonical_and_say_only_what_is_known(model: Model) -> None:
    refs = [build.ref for build in model.builds]
    assert len(refs) == len(set(refs))
    for build in model.builds:
        assert parse(build.ref).canonical == build.ref
        assert build.format in get_args(Format)
        assert not (build.size_exact and build.size is None)
        assert build.size is None or build.size > 10_000_000
        assert all(file.sha256 and re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in build.files)
        if build.files:
            assert sum(file.size or 0 for file in build.files) == build.size


def test_aliases_name_one_model_each() -> None:
    names = [name for model in MODELS for name in {model.id, *model.aliases}]
    assert len(names) == len(set(names))


def test_shape_qwen3_8b() -> None:
    shape = BY_ID["qwen3-8b"].shape
    assert (shape.layers, shape.hidden_size, shape.attention_heads, shape.kv_heads) == (36, 4096, 32, 8)
    assert (shape.head_dim_k, shape.head_dim_v, shape.vocab_size) == (128, 128, 151936)
    assert (shape.mla, shape.window, shape.recurrent, shape.moe) == (None, None, None, None)
    assert BY_ID["qwen3-8b"].parameters == 8_190_735_360


def test_shape_gpt_oss_20b() -> None:
    shape = BY_ID["gpt-oss-20b"].shape
    assert shape.architecture == "gpt-oss"
    assert (shape.layers, shape.hidden_size, shape.attention_heads, shape.kv_heads) == (24, 2880, 64, 8)
    assert shape.head_dim_k == 64
    assert shape.window is not None
    assert shape.window.window == 128
    assert shape.window.global_layers == tuple(range(1, 24, 2))
    assert shape.moe is not None
    assert (shape.moe.experts, shape.moe.experts_used, shape.moe.expert_ffn) == (32, 4, 2880)


def test_shape_gemma_3_27b() -> None:
    shape = BY_ID["gemma-3-27b-it"].shape
    assert (shape.layers, shape.hidden_size, shape.attention_heads, shape.kv_heads) == (62, 5376, 32, 16)
    assert shape.window is not None
    assert (shape.window.window, shape.window.global_layer_count, shape.window.local_layer_count) == (
        1024,
        10,
        52,
    )


def test_shape_deepseek_v3() -> None:
    shape = BY_ID["deepseek-v3"].shape
    assert (shape.layers, shape.hidden_size, shape.attention_heads) == (61, 7168, 128)
    assert shape.mla is not None
    assert (shape.mla.kv_lora_rank, shape.mla.qk_rope_head_dim, shape.mla.q_lora_rank) == (512, 64, 1536)
    assert shape.moe is not None
    assert (shape.moe.experts, shape.moe.experts_used, shape.moe.shared_experts) == (256, 8, 1)
    assert (shape.moe.expert_ffn, shape.moe.leading_dense_layers) == (2048, 3)


@pytest.mark.parametrize(
    ("name", "ffn"),
    [("qwen3-8b", 12288), ("smollm2-135m-instruct", 1536), ("llama-3.1-8b-instruct", 14336), ("qwen2.5-72b-instruct", 29568),
     ("gemma-3-27b-it", 21504), ("deepseek-v3", 18432), ("qwen3-235b-a22b", None)],
)  # fmt: skip
def test_feed_forward_lengths_are_those_of_the_published_configs(name: str, ffn: int | None) -> None:
    assert BY_ID[name].shape.ffn == ffn


def test_the_build_from_the_package_index_is_pinned() -> None:
    build = next(b for b in BY_ID["smollm2-135m-instruct"].builds if b.scheme == "pypi")
    assert (build.size, build.size_exact, build.quantization) == (98_362_432, True, "Q4_1")
    assert build.files[0].sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.parametrize(
    "ascending",
    [
        ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-32b"],
        ["smollm2-135m-instruct", "llama-3.2-1b-instruct", "llama-3.2-3b-instruct", "llama-3.1-8b-instruct"],
        ["gemma-3-270m-it", "gemma-3-1b-it", "gemma-3-4b-it", "gemma-3-12b-it", "gemma-3-27b-it"],
        ["gpt-oss-20b", "gpt-oss-120b"],
        ["llama-3.3-70b-instruct", "deepseek-v3", "deepseek-r1", "kimi-k2.6"],
    ],
)
def test_quality_orders_models_as_an_expert_would(ascending: list[str]) -> None:
    values = [quality.value for name in ascending if (quality := BY_ID[name].quality)]
    assert len(values) == len(ascending)
    assert values == sorted(values)


def test_thinking_costs_nothing_but_time() -> None:
    quality = BY_ID["qwen3-8b"].quality
    assert quality is not None
    assert quality.value_fast is not None
    assert quality.value_fast < quality.value


def test_a_model_without_evidence_is_not_rated() -> None:
    evidence = load_evidence("smollm3-3b")
    assert evidence is not None
    assert "scores" not in evidence
    assert BY_ID["smollm3-3b"].quality is None


def test_evidence_names_source_and_date() -> None:
    evidence = load_evidence("qwen3-8b")
    assert evidence is not None
    assert all(score["source"] and score["date"] for score in evidence["scores"])
    assert load_evidence("no-such-model") is None
    assert load_evidence('qwen3-8b","') is None
