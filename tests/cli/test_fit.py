"""`launchpad fit` as a process: every kind of model, before a byte of weights is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from gguf_bytes import I32, MODEL_KEYS, STRING, U16, U32, array, gguf, key, tensor
from launchpad.cli.options import KV_TYPES
from launchpad.fit import layout_from_gguf
from launchpad.fit.kv import kv_bytes
from launchpad.fit.result import KvType, Settings
from launchpad.gguf import read_header
from launchpad.testing.hub import SimulatedHub
from safetensors_bytes import config, model

WEIGHTS = 8 << 20
GGUF = gguf(
    (
        *MODEL_KEYS,
        key("llama.context_length", U32, 32768),
        array("tokenizer.ggml.tokens", STRING, ["token" * 8] * 3000),
    ),
    (tensor("token_embd.weight", (64, WEIGHTS // 256)),),
    data=WEIGHTS,
)
LAYOUT = layout_from_gguf(read_header(GGUF))
MACHINE = ("--on", "RTX 3060 12GB")


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        yield running


def terms(fit: dict[str, Any]) -> dict[str, int]:
    """Bytes by term over all devices of one entry of the document."""
    sums: dict[str, int] = {}
    for device in fit["fit"]["devices"]:
        for term in device["terms"]:
            sums[term["name"]] = sums.get(term["name"], 0) + term["bytes"]
    return sums


def test_a_repository_by_its_header_alone(launchpad, hub):
    hub.add_model("org/m-GGUF", {"m-Q8_0.gguf": GGUF, "m-Q4_0.gguf": GGUF})
    asked = ("--context", "8192", "--parallel", "2", "--kv-type", "q8_0", "--ubatch", "128")
    ran = launchpad(
        "fit", "hf://org/m-GGUF:Q8_0", *MACHINE, *asked, "--json", env={"HF_ENDPOINT": hub.endpoint}
    )
    assert ran.code == 0, ran.err
    (fit,) = ran.document["fits"]
    assert fit["build"]["size"] == len(GGUF)
    settings = Settings(context=8192, parallel=2, kv_type_k="q8_0", kv_type_v="q8_0", ubatch=128)
    for name in ("context", "parallel", "kv_type_k", "kv_type_v", "ubatch"):
        assert fit["fit"]["settings"][name] == getattr(settings, name)
    assert terms(fit)["kv_cache"] >= kv_bytes(LAYOUT, settings)
    gpu = fit["fit"]["devices"][0]
    assert gpu["device"] == "nvidia:0"
    assert {term["name"]: term["basis"] for term in gpu["terms"]}["weights"] == "exact"
    assert hub.bytes_sent(".gguf") <= 1 << 20 < WEIGHTS


def test_a_repository_with_several_quantizations_has_a_row_for_each(launchpad, hub):
    hub.add_model(
        "org/m-GGUF", {"m-Q8_0.gguf": GGUF + b"\0" * 999, "m-Q4_K_M.gguf": GGUF, "m-Q2_K.gguf": GGUF}
    )
    ran = launchpad("fit", "org/m-GGUF", *MACHINE, env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    header, *rows = ran.out.splitlines()
    assert header.split()[:4] == ["build", "backend", "file", "memory"]
    assert [row.split()[0].rpartition(":")[2] for row in rows] == ["Q2_K", "Q4_K_M", "Q8_0"]


def test_run_takes_the_best_of_them_that_fits(launchpad, hub):
    hub.add_model(
        "org/m-GGUF", {"m-Q8_0.gguf": GGUF + b"\0" * 999, "m-Q4_K_M.gguf": GGUF, "m-Q2_K.gguf": GGUF}
    )
    ran = launchpad("run", "org/m-GGUF", "hi", "--dry-run", "--json", env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    plan = ran.document
    assert plan["pull"]["build"]["ref"] == "hf://org/m-GGUF:Q8_0"
    assert plan["start"]["fit"]["verdict"] == "fits"
    assert hub.bytes_sent(".gguf") < WEIGHTS // 2


def test_a_catalog_s_repository_is_looked_up_too_and_needs_no_network(launchpad, hub):
    hub.add_model("Qwen/Qwen3-8B-GGUF", {"Qwen3-8B-Q4_K_M.gguf": GGUF})
    ref = "hf://Qwen/Qwen3-8B-GGUF:Q4_K_M"
    seen = launchpad("fit", ref, *MACHINE, "--json", env={"HF_ENDPOINT": hub.endpoint}).document["fits"]
    assert [fit["build"]["size"] for fit in seen] == [len(GGUF)]
    assert seen[0]["fit"]["model_id"] == "qwen3-8b"
    for way in (("--offline",), ()):
        ran = launchpad("fit", ref, *MACHINE, "--json", *way)
        assert ran.code == 0, ran.err
        assert [fit["build"]["size"] > 4e9 for fit in ran.document["fits"]] == [True]


def test_safetensors_at_a_source_and_in_a_folder_say_the_same(launchpad, hub, tmp_path: Path):
    folder = tmp_path / "m"
    folder.mkdir()
    files = {"model.safetensors": model(hidden=512), "config.json": config(hidden_size=512)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hub.add_model("org/m", files)
    there = launchpad("fit", "hf://org/m", *MACHINE, "--json", env={"HF_ENDPOINT": hub.endpoint})
    here = launchpad("fit", "./m", *MACHINE, "--json")
    assert (there.code, here.code) == (0, 0), there.err + here.err
    assert terms(there.document["fits"][0]) == terms(here.document["fits"][0])
    assert terms(here.document["fits"][0])["weights"] >= 2 * (32 * 512 + 2 * 1024 * 512)


def test_a_local_gguf_file(launchpad, tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(GGUF)
    (fit,) = launchpad("fit", "m.gguf", "--context", "4096", "--json").document["fits"]
    assert terms(fit)["weights"] == LAYOUT.weights
    assert terms(fit)["kv_cache"] == kv_bytes(LAYOUT, Settings(context=4096))


def test_a_description(launchpad, tmp_path: Path):
    shape = {"layers": 36, "hidden_size": 4096, "attention_heads": 32, "kv_heads": 8, "head_dim_k": 128}
    record = {
        "architecture": {**shape, "vocab_size": 151936},
        "quantization": "Q4_K_M",
        "size_bytes": 5_000_000_000,
    }
    (tmp_path / "m.json").write_text(json.dumps([record]))
    ran = launchpad("fit", "m.json", *MACHINE, "--context", "4096", "--json")
    assert ran.code == 0, ran.err
    (fit,) = ran.document["fits"]
    assert terms(fit)["kv_cache"] == 36 * 2 * 8 * 128 * 2 * 4096
    assert terms(fit)["weights"] >= 5_000_000_000
    refused = launchpad("run", "m.json", "hi", "--json")
    assert refused.code == 2
    assert "launchpad fit m.json" in refused.document["error"]["hint"]


@pytest.mark.parametrize(
    ("name", "content", "code", "kind"),
    [
        ("bad.gguf", b"GGUF" + b"\xff" * 40, 4, "bad-model-file"),
        ("bad.safetensors", b"\x80\x04pickle", 4, "bad-model-file"),
        ("bad.json", b'{"layers": ', 2, "usage"),
    ],
)
def test_a_bad_file_is_refused(launchpad, tmp_path: Path, name: str, content: bytes, code: int, kind: str):
    (tmp_path / name).write_bytes(content)
    ran = launchpad("fit", name, "--json")
    assert ran.code == code
    assert ran.document["error"]["code"] == kind


def test_an_unlisted_repository_needs_its_source(launchpad):
    ran = launchpad("fit", "org/no-such-GGUF:Q4_K_M", *MACHINE, "--json")
    assert ran.code == 4
    assert ran.document["error"]["code"] == "source-unreachable"


def test_every_type_of_cache_can_be_asked_for():
    assert get_args(KvType) == KV_TYPES


def test_the_shards_of_a_repository_are_one_model(launchpad, hub):
    def shard(number: int, *tensors: bytes, data: int) -> bytes:
        split = (
            key("split.no", U16, number),
            key("split.count", U16, 2),
            key("split.tensors.count", I32, 2),
        )
        return gguf((*(MODEL_KEYS if number == 0 else ()), *split), tensors, data=data)

    hub.add_model(
        "org/big-GGUF",
        {
            "big-Q8_0-00001-of-00002.gguf": shard(0, tensor("token_embd.weight", (64, 32)), data=8192),
            "big-Q8_0-00002-of-00002.gguf": shard(
                1, tensor("blk.0.ffn_up.weight", (64, WEIGHTS // 256)), data=WEIGHTS
            ),
        },
    )
    ran = launchpad("fit", "hf://org/big-GGUF:Q8_0", *MACHINE, "--json", env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    (fit,) = ran.document["fits"]
    assert fit["build"]["size"] > 8192 + WEIGHTS
    assert terms(fit)["weights"] >= WEIGHTS + 8192
    assert hub.bytes_sent(".gguf") < WEIGHTS // 2


def test_cards_of_different_sizes_each_keep_to_their_own_memory(launchpad):
    on = ("--on", "RTX 3090 + RTX 4060 8GB + 96GB")
    ran = launchpad("fit", "llama-3.3-70b-instruct:Q4_K_M", *on, "--json")
    assert ran.code == 0, ran.err
    fit = ran.document["fits"][0]["fit"]
    used = {device["device"]: sum(term["bytes"] for term in device["terms"]) for device in fit["devices"]}
    assert fit["placement"]["kind"] == "partial"
    assert used["nvidia:0"] > 16 << 30
    assert 4 << 30 < used["nvidia:1"] < 8 << 30
    assert used["cpu"] > 8 << 30


def test_experts_lie_in_main_memory_and_everything_else_on_the_card(launchpad):
    ran = launchpad("fit", "qwen3-30b-a3b:Q4_K_M", "--on", "RTX 3060 12GB + 64GB", "--json")
    assert ran.code == 0, ran.err
    fit = ran.document["fits"][0]["fit"]
    assert fit["placement"]["gpu_layers"] == fit["placement"]["layers"]
    assert fit["settings"]["cpu_moe_layers"] > 0
    assert {device["device"] for device in fit["devices"]} == {"nvidia:0", "cpu"}


def test_what_would_swap_is_refused_until_it_is_allowed(launchpad):
    asked = ("plan", "llama-3.3-70b-instruct:Q4_K_M", "--on", "cpu 46GB 8 cores 60GB/s", "--min-speed", "0.1")
    refused = launchpad(*asked)
    assert refused.code == 3
    assert "main memory" in refused.err
    assert launchpad(*asked, "--allow-swap").code == 0
