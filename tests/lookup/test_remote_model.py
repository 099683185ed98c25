"""Models at a source, judged by their headers: the weights are never asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from gguf_bytes import MODEL_DATA, MODEL_KEYS, MODEL_TENSORS, STRING, U16, U32, array, gguf, key, tensor
from launchpad.catalog.model import Build, Format
from launchpad.errors import BadModelFile
from launchpad.fit import layout_from_gguf
from launchpad.gguf import read_header
from launchpad.lookup.remote_model import read_remote, read_remote_gguf, with_sizes
from launchpad.plugins.huggingface.source import HuggingFace
from launchpad.plugins.spec import Resolved
from launchpad.testing.hub import SimulatedHub
from safetensors_bytes import config, model

WEIGHTS = 40 << 20
# Tensors of 40 MiB behind a header with a tokenizer of 1.5 MB.
LARGE = gguf(
    (
        *MODEL_KEYS,
        key("general.name", STRING, "Large"),
        key("general.file_type", U32, 15),
        key("llama.context_length", U32, 4096),
        array("tokenizer.ggml.tokens", STRING, ["token" * 8] * 32_000),
    ),
    (*MODEL_TENSORS, tensor("output.weight", (64, WEIGHTS // 256), 0, 49664)),
    data=MODEL_DATA + WEIGHTS,
)


def shards() -> dict[str, bytes]:
    """A model in three files, the first without tensors, as llama.cpp splits it."""
    count = (key("split.count", U16, 3), key("split.tensors.count", U32, 2))
    return {
        "m-Q8_0-00001-of-00003.gguf": gguf((*MODEL_KEYS, key("split.no", U16, 0), *count), (), data=0),
        "m-Q8_0-00002-of-00003.gguf": gguf(
            (key("split.no", U16, 1), *count), (tensor("token_embd.weight", (64, 32)),), data=8192
        ),
        "m-Q8_0-00003-of-00003.gguf": gguf(
            (key("split.no", U16, 2), *count),
            (tensor("blk.0.ffn_up.weight", (64, WEIGHTS // 256)),),
            data=WEIGHTS,
        ),
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


def resolve(hub: SimulatedHub, files: Mapping[str, bytes], ref: str, kind: Format = "gguf") -> Resolved:
    hub.add_model("org/m", files)
    return HuggingFace().resolve(Build(ref=ref, format=kind, quantization="any"))


def test_a_gguf_header_is_read_without_the_weights(hub: SimulatedHub) -> None:
    resolved = resolve(hub, {"m-Q4_K_M.gguf": LARGE}, "hf://org/m:Q4_K_M")
    facts = read_remote(resolved)
    own = read_header(LARGE)
    assert facts is not None
    assert facts.layout == layout_from_gguf(own)
    assert (facts.name, facts.quantization, facts.context) == ("Large", "Q4_K_M", 4096)
    assert (facts.size, facts.overhead) == (len(LARGE), len(LARGE) - own.tensor_bytes)
    assert own.data_offset <= hub.bytes_sent("m-Q4_K_M.gguf") <= 2 * own.data_offset
    assert with_sizes(resolved.build, resolved).size == len(LARGE)


def test_the_bytes_of_the_headers_are_kept_for_a_dry_run(hub: SimulatedHub) -> None:
    remote = read_remote_gguf(resolve(hub, {"m-Q4_K_M.gguf": LARGE}, "hf://org/m:Q4_K_M"))
    (prefix,) = remote.prefixes
    assert LARGE.startswith(prefix) and len(prefix) >= remote.header.data_offset


def test_all_shards_together(hub: SimulatedHub) -> None:
    files = shards()
    facts = read_remote(resolve(hub, files, "hf://org/m:Q8_0"))
    assert facts is not None and facts.layout is not None
    assert facts.layout.weights == 8192 + WEIGHTS
    assert facts.size == sum(len(content) for content in files.values())
    assert hub.bytes_sent(".gguf") < 200_000


def test_a_shard_that_is_another_model_s_is_refused(hub: SimulatedHub) -> None:
    files = shards()
    names = list(files)
    files[names[2]] = files[names[1]]
    with pytest.raises(BadModelFile):
        read_remote(resolve(hub, files, "hf://org/m:Q8_0"))


def test_a_file_that_claims_more_shards_than_there_are_is_refused(hub: SimulatedHub) -> None:
    first = next(iter(shards().values()))
    with pytest.raises(BadModelFile, match="complete"):
        read_remote(resolve(hub, {"m-Q8_0.gguf": first}, "hf://org/m:Q8_0"))


@pytest.mark.parametrize("content", [b"", b"GGUF" + b"\xff" * 60, b"<html></html>" * 99, LARGE[:-1]])
def test_a_bad_file_is_refused(hub: SimulatedHub, content: bytes) -> None:
    with pytest.raises(BadModelFile):
        read_remote(resolve(hub, {"m-Q4_K_M.gguf": content}, "hf://org/m:Q4_K_M"))


def test_safetensors_by_configuration_and_header(hub: SimulatedHub) -> None:
    content = model(hidden=1024, vocab=4096)
    files = {"model.safetensors": content, "config.json": config(hidden_size=1024, vocab_size=4096)}
    facts = read_remote(resolve(hub, files, "hf://org/m", "safetensors"))
    assert facts is not None and facts.layout is not None
    assert facts.size == facts.layout.weights == 2 * (4096 * 1024 + 2 * 2048 * 1024)
    assert facts.layout.token_embd == 2 * 4096 * 1024
    assert facts.layout.tied
    assert hub.bytes_sent("model.safetensors") <= 1 << 16


def test_safetensors_by_configuration_and_index(hub: SimulatedHub) -> None:
    index = {
        "metadata": {"total_size": 100_000},
        "weight_map": {"lm_head.weight": "model-00001-of-00001.safetensors"},
    }
    files = {
        "model-00001-of-00001.safetensors": b"\0" * 100_200,
        "model.safetensors.index.json": json.dumps(index).encode(),
        "config.json": config(),
    }
    facts = read_remote(resolve(hub, files, "hf://org/m", "safetensors"))
    assert facts is not None and facts.layout is not None
    assert (facts.size, facts.layout.tied, facts.parameters) == (100_000, False, 50_000)
    assert hub.bytes_sent("model-00001-of-00001.safetensors") == 0


@pytest.mark.parametrize("total", [None, 0, -5, 1 << 60, 0.5])
def test_an_index_that_lies_about_the_size_is_not_believed(hub: SimulatedHub, total: object) -> None:
    index = {"metadata": {"total_size": total}, "weight_map": {"a": "model.safetensors"}}
    files = {
        "model.safetensors": b"\0" * 50_000,
        "model.safetensors.index.json": json.dumps(index).encode(),
        "config.json": config(),
    }
    facts = read_remote(resolve(hub, files, "hf://org/m", "safetensors"))
    assert facts is not None and facts.size == 50_000


@pytest.mark.parametrize(
    "files",
    [
        {"model.safetensors": model()},
        {"model.safetensors": model(), "config.json": b"{}"},
        {"model.safetensors": b"\x80\x04pickle" * 20, "config.json": config()},
        {"model.safetensors": model(), "config.json": config(), "model.safetensors.index.json": b"[]"},
        {"model.safetensors": model(), "config.json": b" " * (5 << 20)},
    ],
    ids=["no configuration", "an empty one", "a pickle", "a bad index", "a long configuration"],
)
def test_bad_safetensors_are_refused(hub: SimulatedHub, files: dict[str, bytes]) -> None:
    with pytest.raises(BadModelFile):
        read_remote(resolve(hub, files, "hf://org/m", "safetensors"))


def test_what_needs_no_pull_is_not_looked_into() -> None:
    build = Build(ref="file:///m.gguf", format="gguf", quantization="any")
    resolved = Resolved(ref=build.ref, folder="", revision="", files=(), entry="/m.gguf", build=build)
    assert read_remote(resolved) is None
    assert with_sizes(build, resolved) == build
